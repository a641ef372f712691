"""Opens and closes the MLflow run that belongs to one run of the pipeline, started as: python -c THIS ARGUMENTS

  start  PROJECT ENV RUN NAME PIPELINE    finds or makes the run, and writes its id to the file that KFK_OUTPUT names;
                                          nothing, where kedro-mlflow leaves the pipeline out
  resume PROJECT ENV RUN NAME PROGRAM ... the same, and becomes the program, with the id as MLFLOW_RUN_ID
  finish PROJECT ENV RUN STATUS FAILURES  sets its final status, as the last one to do so

RUN is the id of the pipeline run; the MLflow run carries it as tag `kubeflow_run_id`, by which it is found again when a
step is retried. The project's own kedro-mlflow says which server and which experiment, so that the steps that run nodes
resume this very run. `mlflow.start_run` is not used: its exit handler would end the run at once. STATUS is Argo's
(Succeeded, Failed, Error) or Cancelled, FAILURES what Argo says of failed nodes; KFK_EXIT_STATUS is the status of the
exit pipeline, where there is one. Standard library, Kedro, kedro-mlflow and mlflow only; syntax of Python 3.6.

Exit status: 0 done; also when there is no run to finish. 1 MLflow, the project or the exit pipeline failed. 92 no Kedro
project.
"""
import calendar
import inspect
import json
import os
import re
import sys
import time
import traceback
from pathlib import Path

AUDIENCE = "KFK_MLFLOW_IAP_AUDIENCE"
TAG = "kubeflow_run_id"
# what the run is called while the exit pipeline is at work: newer versions give it the name of that one
NAME_TAG = "kfk_run_name"

# between attempts to write the final status, in seconds; mlflow itself repeats what a busy server refuses
WAITS = (5, 20)


def main(command, folder, env, run, value, *rest):
    if not Path(folder).is_dir():
        say("there is no folder %s" % folder)
        return 92
    given = dict(os.environ)
    here = os.getcwd()
    waits = list(WAITS) if command == "finish" else []
    while True:
        try:
            status, made = work(command, folder, env, run, value, rest)
            break
        except Exception as error:
            # what mlflow says of a server is all in its last line
            if not type(error).__module__.startswith("mlflow."):
                sys.stderr.write(without_passwords(traceback.format_exc()))
            say("%s failed: %s" % (command, words(error)))
            if not waits:
                return 1
            time.sleep(waits.pop(0))
    if command != "resume" or status != 0:
        return status
    os.chdir(here)
    # the program has the environment that it would have without this one
    os.execvpe(rest[0], rest, dict(given, MLFLOW_RUN_ID=made))


def work(command, folder, env, run, value, rest):
    project = Path(folder)
    os.chdir(str(project))
    os.environ.update(KEDRO_ENV=env, KEDRO_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
    os.environ.pop("MLFLOW_RUN_ID", None)
    try:
        import kedro_mlflow  # noqa: F401
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        say("the project declares kedro-mlflow, and it cannot be imported here: %s" % error)
        say("install it, or write mlflow: {mode: off} in kubeflow.yaml")
        return 1, None
    if os.environ.get(AUDIENCE) and not os.environ.get("MLFLOW_TRACKING_TOKEN"):
        os.environ["MLFLOW_TRACKING_TOKEN"] = identity_token(os.environ[AUDIENCE])
    experiment, fixed, name, left_out = open_settings(project, env)
    if command == "start" and rest and is_left_out(rest[0], left_out):
        with open(os.environ["KFK_OUTPUT"], "w"):
            say("mlflow.yml leaves out the pipeline %s: no run" % rest[0])
        return 0, None
    if not isinstance(experiment, str) or not experiment:
        raise ValueError("MLflow gave no id of the experiment: %r" % (experiment,))
    client = MlflowClient()
    # a server that does not look at the filter would hand out a run of somebody else
    found = [
        each
        for each in client.search_runs([experiment], "tags.%s = '%s'" % (TAG, run), max_results=1)
        if each.data.tags.get(TAG) == run
    ]
    if command == "finish":
        return finish(client, found, run, value, rest[0] if rest else ""), None
    if found:
        made = found[0]
    elif fixed:
        # kedro-mlflow prefers it to MLFLOW_RUN_ID, so another run would stay empty
        client.set_tag(fixed, TAG, run)
        made = client.get_run(fixed)
    else:
        tags = {
            TAG: run,
            "mlflow.runName": name or value,
            "mlflow.source.name": "kfk",
            "mlflow.source.type": "JOB",
        }
        made = client.create_run(experiment, tags=with_context(tags))
    made_id = made.info.run_id
    if not re.match(r"[A-Za-z0-9][A-Za-z0-9_-]{0,255}\Z", made_id or ""):
        raise ValueError("MLflow gave no id of the run: %r" % (made_id,))
    if command == "start":
        with open(os.environ["KFK_OUTPUT"], "w") as file:
            file.write(made_id)
    elif found and getattr(made.info, "run_name", None) and hasattr(client, "update_run"):
        client.set_tag(made_id, NAME_TAG, made.info.run_name)
    say("%s run %s in experiment %s" % ("found" if found or fixed else "made", made_id, experiment))
    return 0, made_id


def finish(client, found, run, status, failures):
    exit_status = os.environ.get("KFK_EXIT_STATUS", "")
    has_exit_failed = exit_status not in ("", "Succeeded")
    if not found:
        say("no MLflow run has the tag %s = %s: nothing to finish" % (TAG, run))
    else:
        info = found[0].info
        if status == "Succeeded":
            final = "FAILED" if has_exit_failed else "FINISHED"
        elif status == "Cancelled" or was_stopped(failures, info.start_time, run):
            final = "KILLED"
        else:
            final = "FAILED"
        name = found[0].data.tags.get(NAME_TAG)
        if name:
            if name != info.run_name:
                client.update_run(info.run_id, name=name)
            client.delete_tag(info.run_id, NAME_TAG)
        client.set_terminated(info.run_id, final)
        say("run %s is %s" % (info.run_id, final))
    if has_exit_failed:
        say("the exit pipeline has not succeeded (%s), so this step fails too" % exit_status)
        return 1
    return 0


# --- was it ended by somebody? Argo calls such a run failed ---


def was_stopped(failures, made_ms, run):
    """KFP ends a run by a deadline of zero seconds, which is then before the MLflow run was made; a real one is later."""
    if re.search(r"message[\\\"]+:[\\\"]+Stopped with strategy '(?:Stop|Terminate)'", failures):
        return True
    deadline = r"message[\\\"]+:[\\\"]+retry exceeded workflow deadline (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \+0000 UTC"
    for text in re.findall(deadline, failures):
        if calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S")) * 1000 < (made_ms if isinstance(made_ms, int) else 0):
            return True
    return is_stopped_in_kfp(run)


def is_stopped_in_kfp(run):
    """What the KFP server of this namespace says. Without one, or without leave to ask: no."""
    host = os.environ.get("ML_PIPELINE_SERVICE_HOST")
    if not host:
        return False
    port = os.environ.get("ML_PIPELINE_SERVICE_PORT_HTTP", "8888")
    base = "http://%s:%s/apis" % ("[%s]" % host if ":" in host else host, port)
    known = ask("%s/v2beta1/runs/%s" % (base, run))
    stopped = False
    for each in known.get("state_history") or []:
        # a run that was retried has ended once before
        if each.get("state") in ("CANCELING", "FAILED", "SUCCEEDED"):
            stopped = each["state"] == "CANCELING"
    if stopped or known.get("state"):
        return stopped or known.get("state") == "CANCELING"
    return (ask("%s/v1beta1/runs/%s" % (base, run)).get("run") or {}).get("status") == "Terminating"


def ask(url):
    import urllib.request

    class Still(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args, **kwargs):
            return None

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Still)
    try:
        answer = json.loads(opener.open(url, timeout=5).read(1000000).decode("utf-8"))
        return answer if isinstance(answer, dict) else {}
    except (OSError, ValueError):
        return {}


# --- the project's MLflow ---


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
        return opener.open(request, timeout=10).read().decode().strip()


def open_settings(project, env):
    """The id of the experiment that kedro-mlflow uses in this environment, which is made if it does not exist, the id and
    the name that mlflow.yml gives to the run, and the pipelines that it leaves out."""
    try:
        from kedro.framework.session import KedroSession
    except ImportError:  # Kedro 0.16
        from kedro.framework.context import load_context

        return settings_of(load_context(project, env=env))
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
        return settings_of(session.load_context())


def settings_of(context):
    config = getattr(context, "mlflow", None)
    if config is None:  # kedro-mlflow before 0.10
        try:
            from kedro_mlflow.config import get_mlflow_config
        except ImportError:
            from kedro_mlflow.framework.context import get_mlflow_config
        config = get_mlflow_config(*([context] if inspect.signature(get_mlflow_config).parameters else []))
        config.setup(*([context] if inspect.signature(config.setup).parameters else []))
    tracking = getattr(config, "tracking", config)
    experiment = getattr(tracking.experiment, "_experiment", tracking.experiment)
    run = getattr(tracking, "run", None)
    options = getattr(tracking, "run_opts", None) or {}  # kedro-mlflow before 0.8
    fixed = getattr(run, "id", None) or options.get("id")
    name = getattr(run, "name", None) or options.get("name")
    return experiment.experiment_id, fixed, name, pipelines_of(getattr(tracking, "disable_tracking", None))


def pipelines_of(left_out):
    found = left_out.get("pipelines") if isinstance(left_out, dict) else getattr(left_out, "pipelines", None)
    return found or []


def is_left_out(pipeline, names):
    """Before kedro-mlflow knew several pipelines at once, a run without --pipeline had no name that could be left out."""
    if pipeline not in names or pipeline != "__default__":
        return pipeline in names
    try:
        from kedro_mlflow.framework.hooks.utils import _assert_mlflow_enabled
    except ImportError:
        return False
    return "pipeline_names" in inspect.signature(_assert_mlflow_enabled).parameters


def with_context(tags):
    """What mlflow.start_run adds: the user, the commit, MLFLOW_RUN_CONTEXT, and what plugins know."""
    try:
        from mlflow.tracking.context.registry import resolve_tags
    except ImportError:
        return tags
    return resolve_tags(tags)


def words(error):
    """One line; MLflow quotes whole pages of a login."""
    text = without_passwords(" ".join(str(error).split()))
    return "%s: %s" % (type(error).__name__, text if len(text) <= 300 else text[:300] + "...")


def without_passwords(text):
    """MLflow quotes the address that it called, with the user, password and token that it may hold."""
    text = re.sub(r"(://)\S*@", r"\1***@", text)
    text = re.sub(r"(?i)\b(bearer|basic)\s+[^\s'\",;]+", r"\1 ***", text)
    return re.sub(r"(?i)([?&](?:\w*token|password|sig)=)[^&\s'\"]+", r"\1***", text)


def say(message):
    sys.stderr.write("kfk: mlflow: %s\n" % message)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
