"""Turns three raw tables into one table of trips."""

import pandas as pd


def clean_vessels(vessels: pd.DataFrame) -> pd.DataFrame:
    """Mass as a number of tonnes, the docking flag as 0 or 1."""
    cleaned = vessels.copy()
    cleaned["mass_t"] = cleaned["mass"].str.removesuffix(" t").astype(float)
    cleaned["can_dock"] = (cleaned["docking"] == "yes").astype(int)
    return cleaned[["vessel", "operator", "seats", "mass_t", "can_dock"]]


def clean_operators(operators: pd.DataFrame) -> pd.DataFrame:
    """The share of flights on time, from a percentage in text."""
    cleaned = operators.copy()
    cleaned["on_time"] = cleaned["on_time"].str.removesuffix("%").astype(float) / 100
    return cleaned


def join_trips(
    trips: pd.DataFrame, vessels: pd.DataFrame, operators: pd.DataFrame, row_limit: int | None
) -> pd.DataFrame:
    """One row for each trip with a known fare; ``row_limit`` keeps only the first rows."""
    table = trips.merge(vessels, on="vessel").merge(operators, on="operator")
    table = table.dropna(subset=["fare"]).sort_values("trip", ignore_index=True)
    return table if row_limit is None else table.head(row_limit)
