from kedro.pipeline import Node, Pipeline

from .nodes import clean_operators, clean_vessels, join_trips


def create_pipeline(**kwargs) -> Pipeline:
    return Pipeline(
        [
            Node(clean_vessels, inputs="vessels", outputs="clean_vessels", name="clean_vessels_node"),
            Node(clean_operators, inputs="operators", outputs="clean_operators", name="clean_operators_node"),
            Node(
                join_trips,
                inputs=["trips", "clean_vessels", "clean_operators", "params:row_limit"],
                outputs="trip_table",
                name="join_trips_node",
            ),
        ]
    )
