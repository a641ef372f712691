"""Tables for people."""

import pandas as pd


def fares_by_operator(table: pd.DataFrame) -> pd.DataFrame:
    fares = table.groupby("operator", as_index=False)["fare"].agg(["count", "mean"])
    fares["mean"] = fares["mean"].round(2)
    return fares


def compare_models(main: dict, trial: dict, report: dict) -> dict:
    better = "main" if main["r2"] >= trial["r2"] - report["margin"] else "trial"
    return {"release": report["release"], "better": better, "main": main, "trial": trial}
