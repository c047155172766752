"""A weather service: stations send measurements, programs read them.

`uvicorn service:api` runs it alone.
"""

import math
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Annotated

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

DATABASE = os.environ.get("WEATHER_DB", "weather.db")
STATIONS = {"Harbour": 14.0, "Hill": 9.5, "Airport": 12.0}


class Measurement(BaseModel):
    station: str
    hour: Annotated[int, Field(ge=0, le=23)]
    celsius: Annotated[float, Field(ge=-90, le=60)]


@asynccontextmanager
async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
    with closing(sqlite3.connect(DATABASE)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS measurement (station TEXT, hour INTEGER, celsius REAL)")
        if connection.execute("SELECT count(*) FROM measurement").fetchone() == (0,):
            for station, mean in STATIONS.items():
                day = [(station, hour, round(mean + 5 * math.sin((hour - 8) / 12 * math.pi), 1)) for hour in range(20)]
                connection.executemany("INSERT INTO measurement VALUES (?, ?, ?)", day)
    yield


api = FastAPI(title="Weather", lifespan=lifespan)


@api.post("/measurements", status_code=201)
def add(measurement: Measurement) -> Measurement:
    if measurement.station not in STATIONS:
        raise HTTPException(404, f"There is no station {measurement.station}.")
    with closing(sqlite3.connect(DATABASE)) as connection, connection:
        connection.execute("INSERT INTO measurement VALUES (:station, :hour, :celsius)", measurement.model_dump())
    return measurement


@api.get("/stations/{station}/latest")
def latest(station: str) -> Measurement:
    with closing(sqlite3.connect(DATABASE)) as connection:
        query = "SELECT station, hour, celsius FROM measurement WHERE station = ? ORDER BY hour DESC, rowid DESC"
        row = connection.execute(query, (station,)).fetchone()
    if row is None:
        raise HTTPException(404, f"There is no station {station}.")
    return Measurement(station=row[0], hour=row[1], celsius=row[2])
