from kedro.pipeline import Node, Pipeline

from .nodes import compare_models, fares_by_operator


def create_pipeline(**kwargs) -> Pipeline:
    # Nodes without a name: Kedro makes one from the function, the inputs and the outputs.
    return Pipeline(
        [
            Node(fares_by_operator, inputs="trip_table", outputs="operator_fares"),
            Node(compare_models, inputs=["main_score", "trial_score", "params:report"], outputs="comparison"),
        ]
    )
