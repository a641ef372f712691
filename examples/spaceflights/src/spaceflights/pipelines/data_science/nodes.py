"""Fits a model of the fare and says how good it is."""

import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split


def split_trips(table: pd.DataFrame, features: list[str], split: dict) -> tuple:
    return train_test_split(
        table[features], table["fare"], test_size=split["test_share"], random_state=split["seed"]
    )


def fit_model(x_train: pd.DataFrame, y_train: pd.Series, options: dict) -> Ridge:
    model = Ridge(alpha=options["penalty"], tol=options["tolerance"], solver="cholesky")
    return model.fit(x_train, y_train)


def score_model(model: Ridge, x_test: pd.DataFrame, y_test: pd.Series) -> dict:
    guess = model.predict(x_test)
    return {
        "r2": round(float(r2_score(y_test, guess)), 6),
        "mean_error": round(float(mean_absolute_error(y_test, guess)), 4),
        "rows": len(y_test),
    }
