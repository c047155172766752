// As much of Helm as the generated chart uses, on Go's own text/template, so that templates mean here what they mean
// to Helm. Reads {"name", "namespace", "values", "templates": {path: text}} and answers {path: rendered}.
// What the chart does not use is missing, so a template that uses it fails.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"
	"text/template"
)

type request struct {
	Name, Namespace string
	Values          map[string]any
	Templates       map[string]string
}

func integer(value any) int64 {
	number, err := value.(json.Number).Int64()
	if err != nil {
		panic(err)
	}
	return number
}

func whole(value any) int64 {
	switch number := value.(type) {
	case int64:
		return number
	case int:
		return int64(number)
	}
	return integer(value)
}

func empty(value any) bool {
	if value == nil {
		return true
	}
	if number, is := value.(json.Number); is {
		return number == "0"
	}
	return reflect.ValueOf(value).IsZero()
}

// Tables and scalars; a chart's values hold nothing else where this is used.
func yaml(value any, indent string) string {
	table, isTable := value.(map[string]any)
	if !isTable {
		text, _ := json.Marshal(value)
		return string(text)
	}
	keys := make([]string, 0, len(table))
	for key := range table {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	lines := []string{}
	for _, key := range keys {
		if below, deeper := table[key].(map[string]any); deeper && len(below) > 0 {
			lines = append(lines, indent+key+":", yaml(below, indent+"  "))
		} else {
			lines = append(lines, indent+key+": "+yaml(table[key], ""))
		}
	}
	return strings.Join(lines, "\n")
}

func main() {
	var asked request
	decoder := json.NewDecoder(os.Stdin)
	decoder.UseNumber()
	if err := decoder.Decode(&asked); err != nil {
		panic(err)
	}
	all := template.New("chart").Option("missingkey=error")
	all.Funcs(template.FuncMap{
		"add": func(numbers ...any) (sum int64) {
			for _, each := range numbers {
				sum += whole(each)
			}
			return
		},
		"div": func(a, b any) int64 { return whole(a) / whole(b) },
		"default": func(fallback, value any) any {
			if empty(value) {
				return fallback
			}
			return value
		},
		"required": func(message string, value any) (any, error) {
			if empty(value) {
				return nil, fmt.Errorf("%s", message)
			}
			return value, nil
		},
		"quote":     func(value any) string { return fmt.Sprintf("%q", fmt.Sprint(value)) },
		"join": func(separator string, list []any) string {
			texts := make([]string, len(list))
			for index, each := range list {
				texts[index] = fmt.Sprint(each)
			}
			return strings.Join(texts, separator)
		},
		"toYaml":    func(value any) string { return yaml(value, "") },
		"sha256sum": func(text string) string { sum := sha256.Sum256([]byte(text)); return hex.EncodeToString(sum[:]) },
		"nindent": func(width int, text string) string {
			margin := "\n" + strings.Repeat(" ", width)
			return margin + strings.ReplaceAll(text, "\n", margin)
		},
		"include": func(name string, data any) (string, error) {
			var out bytes.Buffer
			err := all.ExecuteTemplate(&out, name, data)
			return out.String(), err
		},
	})
	for path, text := range asked.Templates {
		if _, err := all.New(path).Parse(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	base := "chart/templates"
	data := map[string]any{
		"Values":   asked.Values,
		"Release":  map[string]any{"Name": asked.Name, "Namespace": asked.Namespace},
		"Template": map[string]any{"BasePath": base},
	}
	answer := map[string]string{}
	for path := range asked.Templates {
		var out bytes.Buffer
		if err := all.ExecuteTemplate(&out, path, data); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answer[path] = out.String()
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		panic(err)
	}
}
