"""A dashboard of the weather service's database.

`streamlit run dashboard.py` runs it alone.
"""

import os
import sqlite3
from contextlib import closing

import pandas as pd
import streamlit as st

st.set_page_config(page_title="Weather", page_icon=":material/partly_cloudy_day:", layout="wide")


@st.cache_data(ttl=2)
def measurements() -> pd.DataFrame:
    with closing(sqlite3.connect(os.environ.get("WEATHER_DB", "weather.db"))) as connection:
        return pd.read_sql("SELECT station, hour, celsius FROM measurement ORDER BY hour, rowid", connection)


def today() -> None:
    st.title("Weather today")
    latest = measurements().groupby("station", sort=False).last()
    for column, (station, row) in zip(st.columns(len(latest)), latest.iterrows(), strict=True):
        column.metric(str(station), f"{row['celsius']:.1f} °C", help=f"At {row['hour']:.0f}:00", border=True)
    st.line_chart(measurements(), x="hour", y="celsius", color="station", x_label="Hour", y_label="°C", height=300)
    if st.button("Refresh", icon=":material/refresh:"):
        measurements.clear()
        st.rerun()


def table() -> None:
    st.title("All measurements")
    chosen = st.multiselect("Stations", measurements()["station"].unique())
    rows = measurements()
    st.dataframe(rows[rows["station"].isin(chosen)] if chosen else rows, hide_index=True)


pages = [
    st.Page(today, title="Today", icon=":material/thermostat:", default=True),
    st.Page(table, title="Measurements", icon=":material/table:", url_path="measurements"),
]
st.navigation(pages).run()
