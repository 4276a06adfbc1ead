"""Cloud regions, from a Web API of the Carbon Aware SDK (Green Software Foundation) that the user runs:
<https://github.com/Green-Software-Foundation/carbon-aware-sdk>.

Its traps: it does not say whether its values are marginal, so the user must; a boundary outside its forecast is an
error, so that all of it is asked for; with a `windowSize` it tells means that overlap, so that none is sent; a point
names the grid and not the place asked for; and a source without a forecast answers 501.
"""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import quote

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import host, types
from wit_world.imports.types import Accounting, Basis, Info, Kind, Point, Query, Signal, ZoneSeries

MINUTE = 60
HOUR = 3600
SIGNALS = {"average": Signal.AVERAGE, "marginal": Signal.MARGINAL}
BASES = {"direct": Basis.DIRECT, "lifecycle": Basis.LIFECYCLE}
ACCOUNTINGS = {"production": Accounting.PRODUCTION, "consumption": Accounting.CONSUMPTION}


class Region(exports.Region):
    def describe(self) -> Info:
        return Info(
            zones=["*"],
            signals=[choice("signal", SIGNALS, None)],
            resolution=5 * MINUTE,
            horizon=24 * HOUR,
            refresh_interval=15 * MINUTE,
            attribution=None,
        )

    def series(self, query: Query) -> list[ZoneSeries]:
        if query.signal != choice("signal", SIGNALS, None):
            raise Err(types.Error_Other("the settings say that this source tells another signal"))
        told = [series_of(zone, query) for zone in query.zones]
        return [series for series in told if series.points]


def series_of(zone: str, query: Query) -> ZoneSeries:
    place = quote(host.config_get("location") or zone, safe="")
    now = host.now()
    points: list[Point] = []
    if query.start < now:
        try:
            points = measured(place, query.start, min(now, query.end))
        except Err as error:
            # The past only settles accounts; the coming hours matter more.
            host.log(host.Level.WARN, f"no past values of {zone}: {error.value}")
    issued_at = None
    if now < query.end:
        issued_at, ahead = forecast(place)
        # What was measured counts; the forecast begins where that ends.
        known = points[-1].start + points[-1].duration if points else 0
        points += [point for point in ahead if known <= point.start]
    points = [point for point in points if point.start < query.end and query.start < point.start + point.duration]
    marginal = query.signal == Signal.MARGINAL
    return ZoneSeries(
        zone,
        query.signal,
        choice("basis", BASES, "direct" if marginal else "lifecycle"),
        choice("accounting", ACCOUNTINGS, "production" if marginal else "consumption"),
        issued_at,
        points,
    )


def measured(place: str, start: int, end: int) -> list[Point]:
    """What was: rows of `time`, `rating` and `duration`, a .NET time span."""
    rows = fetch_json(f"emissions/bylocation?location={place}&time={text_of(start)}&toTime={text_of(end)}") or []
    with shape_of("the measured values"):
        values = [(seconds(row["time"]), span(row.get("duration")), row["rating"]) for row in rows]
        return points_of(values, Kind.MEASURED)


def forecast(place: str) -> tuple[int | None, list[Point]]:
    """What comes: when it was made, and rows of `timestamp`, `value` and `duration`, minutes."""
    answer = fetch_json(f"emissions/forecasts/current?location={place}")
    if not answer:
        return None, []
    with shape_of("the forecast"):
        told = answer[0]
        rows = [
            (seconds(row["timestamp"]), row.get("duration", 0) * MINUTE, row["value"])
            for row in told.get("forecastData") or []
        ]
        return seconds(told["generatedAt"]), points_of(rows, Kind.FORECAST)


def points_of(rows: list[tuple[int, int, float | None]], kind: Kind) -> list[Point]:
    """Points in order. A row without a length reaches to the next one, and the last is as long as the one before it."""
    rows = sorted({start: (start, length, value) for start, length, value in rows}.values())
    steps = [after[0] - before[0] for before, after in pairwise(rows)]
    steps += steps[-1:] or [HOUR]
    if any(step < length for (_, length, _), step in zip(rows[:-1], steps)):
        raise Err(types.Error_Malformed("the values overlap: they are means of windows, not points"))
    # A row without a value is a gap, not 0.
    return [
        Point(start, length or step, float(value), None, kind)
        for (start, length, value), step in zip(rows, steps)
        if value is not None
    ]


def seconds(text: str) -> int:
    """Seconds since 1970. A time without an offset is UTC."""
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def text_of(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(text: str | None) -> int:
    """Seconds of a .NET time span, `hh:mm:ss`, perhaps with days and a fraction."""
    if not text:
        return 0
    days, _, clock = text.rpartition(".") if "." in text.split(":")[0] else ("0", "", text)
    hours, minutes, *rest = clock.split(":")
    whole = int(float(rest[0])) if rest else 0
    return int(timedelta(days=int(days), hours=int(hours), minutes=int(minutes), seconds=whole).total_seconds())


class shape_of:
    """Names what has another shape than expected, instead of trapping."""

    def __init__(self, what: str):
        self.what = what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)):
            raise Err(types.Error_Malformed(f"{self.what}: {kind.__name__}: {error}")) from None


def choice(key: str, choices: dict, default: str | None):
    """One of these, as the setting says."""
    told = host.config_get(key) or default
    if told not in choices:
        raise Err(types.Error_InvalidConfig(f"{key}: one of {', '.join(choices)}"))
    return choices[told]


def fetch_json(path: str):
    """The document at a path of the service; None where it has nothing to tell."""
    base = host.config_get("base-url")
    if not base:
        raise Err(types.Error_InvalidConfig("base-url"))
    url = f"{base.rstrip('/')}/{path}"
    place = url.split("?")[0]
    try:
        response = host.fetch(host.Request(host.Method.GET, url, [("accept", "application/json")], None))
    except Err as error:
        raise Err(types.Error_Unavailable(f"{place}: {error.value}")) from None
    match response.status:
        case 200:
            with shape_of(place):
                return json.loads(response.body)
        case 204:
            return None
        case 501:
            host.log(host.Level.INFO, f"{place}: the source behind it has no forecast")
            return None
        case 429:
            after = [value for name, value in response.headers if name.lower() == "retry-after"]
            raise Err(types.Error_RateLimited(int(after[0]) if after and after[0].isdigit() else None))
        case 401 | 403:
            raise Err(types.Error_Unauthorized(f"{place} refused the credentials of the source behind it"))
        case 400:
            raise Err(types.Error_InvalidRegion(f"{place}: {problem_of(response.body)}"))
        case status:
            raise Err(types.Error_Unavailable(f"{place} answered HTTP {status}: {problem_of(response.body)}"))


def problem_of(body: bytes) -> str:
    """What ASP.NET's problem details say, or the beginning of whatever came."""
    try:
        problem = json.loads(body)
        return str(problem.get("detail") or problem["title"])
    except (ValueError, KeyError, AttributeError):
        return body[:160].decode(errors="replace")
