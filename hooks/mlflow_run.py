"""Opens and closes the MLflow run that belongs to one run of the pipeline, started as: python -c THIS ARGUMENTS

  start  PROJECT ENV RUN NAME     finds or makes the run, and writes its id to the file that KFK_OUTPUT names
  finish PROJECT ENV RUN STATUS   sets its final status, as the last one to do so

RUN is the id of the pipeline run; the MLflow run carries it as tag `kubeflow_run_id`, by which it is found again when a
step is retried. The project's own kedro-mlflow says which server and which experiment, so that the steps that run nodes
resume this very run. `mlflow.start_run` is not used: its exit handler would end the run at once. STATUS is Argo's
(Succeeded, Failed, Error) or Cancelled. Standard library, Kedro, kedro-mlflow and mlflow only; syntax of Python 3.6.

Exit status: 0 done; also when there is no run to finish. 1 MLflow or the project failed. 92 no Kedro project.
"""
import inspect
import os
import sys
from pathlib import Path

STATUSES = {"succeeded": "FINISHED", "cancelled": "KILLED", "terminated": "KILLED"}
AUDIENCE = "KFK_MLFLOW_IAP_AUDIENCE"


def main(command, folder, env, run, value):
    project = Path(folder)
    if not project.is_dir():
        say("there is no folder %s" % folder)
        return 92
    os.chdir(str(project))
    os.environ.update(KEDRO_ENV=env, KEDRO_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
    os.environ.pop("MLFLOW_RUN_ID", None)
    try:
        import kedro_mlflow  # noqa: F401
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        say("the project declares kedro-mlflow, and it cannot be imported here: %s" % error)
        say("install it, or write mlflow: {mode: off} in kubeflow.yaml")
        return 1
    if os.environ.get(AUDIENCE) and not os.environ.get("MLFLOW_TRACKING_TOKEN"):
        os.environ["MLFLOW_TRACKING_TOKEN"] = identity_token(os.environ[AUDIENCE])
    experiment = open_experiment(project, env)
    client = MlflowClient()
    found = client.search_runs([experiment], "tags.kubeflow_run_id = '%s'" % run, max_results=1)
    if command == "start":
        if found:
            made = found[0]
        else:
            tags = {
                "kubeflow_run_id": run,
                "mlflow.runName": value,
                "mlflow.source.name": "kfk",
                "mlflow.source.type": "JOB",
            }
            made = client.create_run(experiment, tags=tags)
        with open(os.environ["KFK_OUTPUT"], "w") as file:
            file.write(made.info.run_id)
        say("%s run %s in experiment %s" % ("found" if found else "made", made.info.run_id, experiment))
        return 0
    if not found:
        say("no MLflow run has the tag kubeflow_run_id = %s: nothing to finish" % run)
        return 0
    status = STATUSES.get(value.lower(), "FAILED")
    client.set_terminated(found[0].info.run_id, status)
    say("run %s is %s" % (found[0].info.run_id, status))
    return 0


def identity_token(audience):
    """An OIDC token for MLflow's own IAP client, from the pod's service account; it lasts an hour."""
    try:
        from google.auth.transport.requests import Request
        from google.oauth2 import id_token

        return id_token.fetch_id_token(Request(), audience)
    except ImportError:
        import urllib.parse
        import urllib.request

        host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
        query = urllib.parse.urlencode({"audience": audience, "format": "full"})
        url = "http://%s/computeMetadata/v1/instance/service-accounts/default/identity?%s" % (host, query)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(url, headers={"Metadata-Flavor": "Google"})
        return opener.open(request, timeout=10).read().decode()


def open_experiment(project, env):
    """The id of the experiment that kedro-mlflow uses in this environment; it is made if it does not exist."""
    try:
        from kedro.framework.session import KedroSession
    except ImportError:  # Kedro 0.16
        from kedro.framework.context import load_context

        return experiment_of(load_context(project, env=env))
    from kedro.framework import startup

    if hasattr(startup, "bootstrap_project"):
        metadata = startup.bootstrap_project(project)
    else:  # Kedro 0.17.0 to 0.17.2
        metadata = startup._get_project_metadata(project)
        sys.path.insert(0, str(metadata.source_dir))
    options = {"project_path": project, "env": env}
    if "package_name" in inspect.signature(KedroSession.create).parameters:
        options["package_name"] = metadata.package_name
    with KedroSession.create(**options) as session:
        return experiment_of(session.load_context())


def experiment_of(context):
    config = getattr(context, "mlflow", None)
    if config is None:  # kedro-mlflow before 0.10
        try:
            from kedro_mlflow.config import get_mlflow_config
        except ImportError:
            from kedro_mlflow.framework.context import get_mlflow_config
        config = get_mlflow_config(*([context] if inspect.signature(get_mlflow_config).parameters else []))
        config.setup(*([context] if inspect.signature(config.setup).parameters else []))
    experiment = getattr(config, "tracking", config).experiment
    return getattr(experiment, "_experiment", experiment).experiment_id


def say(message):
    sys.stderr.write("kfk: mlflow: %s\n" % message)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
