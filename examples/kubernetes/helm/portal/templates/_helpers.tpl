{{- define "image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ required "image.tag or image.digest must say which image" .Values.image.tag }}
{{- end -}}
{{- end }}

{{- define "path" -}}
{{ .Values.rootPath | default "/" }}
{{- end }}
