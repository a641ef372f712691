from kedro.pipeline import Node, Pipeline

from .nodes import fit_model, score_model, split_trips


def create_pipeline(**kwargs) -> Pipeline:
    modelling = Pipeline(
        [
            Node(
                split_trips,
                inputs=["trip_table", "params:features", "params:split"],
                outputs=["x_train", "x_test", "y_train", "y_test"],
                name="split_trips_node",
            ),
            Node(fit_model, inputs=["x_train", "y_train", "params:options"], outputs="model", name="fit_model_node"),
            Node(score_model, inputs=["model", "x_test", "y_test"], outputs="score", name="score_model_node"),
        ]
    )
    # Two instances of the same pipeline: they share the table and the split, and differ in all else.
    main = Pipeline(
        modelling,
        namespace="main_model",
        inputs="trip_table",
        outputs={"score": "main_score"},
        parameters={"params:split": "params:split"},
    )
    trial = Pipeline(
        modelling,
        namespace="trial_model",
        inputs="trip_table",
        outputs={"score": "trial_score"},
        parameters={"params:split": "params:split"},
    )
    return main + trial
