"""Asks a Kedro project for its pipelines and configuration, started as: python -c THIS MARK QUESTION

QUESTION is JSON: {"project": folder, "env": name or null, "conf": another conf folder (Kedro 0.18.5 and newer) or null}.
The answer is one line on stdout, MARK and JSON, which nothing else writes there: what the project prints goes to stderr. Runs no hooks and no session on Kedro 0.18 and
newer; below, the project's own context is opened, because hooks make its configuration. Standard library only, syntax
of Python 3.6, for Kedro 0.16 to 1.7.

In the answer, floats are {"$float": repr} where JSON has none, mappings with keys that are not text are {"$map":
pairs}, and what has no JSON at all is {"$opaque": type}.
"""
import sys

if sys.path and sys.path[0] == "":
    del sys.path[0]

import functools
import inspect
import json
import math
import os
import platform
import traceback
import warnings
from pathlib import Path

PATTERNS = {
    "catalog": ["catalog*", "catalog*/**", "**/catalog*"],
    "parameters": ["parameters*", "parameters*/**", "**/parameters*"],
}


def main(mark, question):
    answer_file = os.fdopen(os.dup(1), "w", encoding="ascii")
    sys.stdout.flush()
    os.dup2(2, 1)
    try:
        asked = json.loads(question)
        answer = ask(Path(asked["project"]).resolve(), asked["env"], asked.get("conf"))
    except BaseException as error:  # SystemExit too
        answer = {"error": describe(error)}
    text = json.dumps(answer, allow_nan=False, ensure_ascii=True)
    answer_file.write("\n%s %s\n" % (mark, text))
    answer_file.flush()
    # threads and exit handlers of the project must not keep the answer back
    sys.stderr.flush()
    os._exit(0)


def describe(error):
    frames = traceback.extract_tb(error.__traceback__)
    lines = ["%s:%s in %s" % (shorten(frame.filename), frame.lineno, frame.name) for frame in frames]
    own = [line for line in lines if not line.startswith("<")]
    return {"type": type(error).__name__, "message": str(error), "trace": own[-8:]}


def shorten(path):
    try:
        return os.path.relpath(path) if os.path.isabs(path) and not os.path.relpath(path).startswith("..") else path
    except ValueError:
        return path


def ask(project, env, conf):
    os.chdir(str(project))
    sys.argv = ["kedro"]
    os.environ.update(KEDRO_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
    import kedro

    version = tuple(int(part) for part in kedro.__version__.split(".")[:2])
    if version < (0, 18):
        os.environ["KEDRO_ENV"] = env or "local"  # as in a run of a step
    if version < (0, 17):
        read = open_context(project, env)
    else:
        read = open_project(project, env, conf, version)
    registry, parameters, catalog, package, name, run_env, notes = read
    notes.extend(describe_models(registry))
    return {
        "kedro": kedro.__version__,
        "python": platform.python_version(),
        "package": package,
        "name": name,
        "env": run_env,
        "pipelines": [[str(key), nodes_of(pipeline, project)] for key, pipeline in registry.items() if is_one(pipeline)],
        "parameters": encode(parameters),
        "catalog": encode(catalog),
        "notes": notes,
    }


def open_context(project, env):
    from kedro.framework.context import load_context

    context = load_context(project, env=env)
    notes = []
    return (
        context.pipelines,
        context.params,
        read_config(lambda: context.config_loader.get(*PATTERNS["catalog"]), "catalog", notes),
        getattr(context, "package_name", None) or type(context).__module__.split(".")[0],
        context.project_name,
        context.env or "local",
        notes,
    )


def open_project(project, env, conf, version):
    # begins as in steps/runner.py: each of the two runs alone, on a machine that has nothing else of kfk
    from kedro.framework import startup

    if hasattr(startup, "bootstrap_project"):
        metadata = startup.bootstrap_project(project)
    else:  # 0.17.0 to 0.17.2
        metadata = startup._get_project_metadata(project)
        sys.path.insert(0, str(metadata.source_dir))
    try:
        from kedro.framework.project import pipelines, settings
    except ImportError:
        pipelines = settings = None
    notes = []
    if version < (0, 18):
        from kedro.framework.session import KedroSession

        with KedroSession.create(metadata.package_name, project_path=project, env=env, save_on_close=False) as session:
            context = session.load_context()
            registry = context.pipelines if pipelines is None else load_registry(pipelines)
            loader = context.config_loader
            parameters = context.params
            catalog = read_config(lambda: loader.get(*PATTERNS["catalog"]), "catalog", notes)
            run_env = context.env or "local"
    else:
        loader, run_env = make_loader(project, env, conf, settings)
        os.environ["KEDRO_ENV"] = run_env  # as in a run of a step, whose registry is loaded with it
        if hasattr(pipelines, "set_requested"):
            pipelines.set_requested(None)
        registry = load_registry(pipelines)
        parameters = read_config(lambda: get_config(loader, "parameters"), "parameters", notes)
        catalog = read_config(lambda: get_config(loader, "catalog"), "catalog", notes)
    return registry, parameters, catalog, metadata.package_name, metadata.project_name, run_env, notes


class LeftOut(Exception):
    pass


def load_registry(pipelines):
    """Kedro goes on with a warning when a folder of pipelines cannot be imported; half a graph is no answer here."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        registry = dict(pipelines)
    for warning in caught:
        text = str(warning.message)
        if "find_pipelines" in text and "importing" in text:
            last = [line for line in text.strip().splitlines() if line.strip()]
            raise LeftOut("%s (%s)" % (last[0].strip(), last[-1].strip()))
    return registry


def make_loader(project, env, conf, settings):
    arguments = dict(settings.CONFIG_LOADER_ARGS or {})
    loader = settings.CONFIG_LOADER_CLASS(conf_source=conf or str(project / settings.CONF_SOURCE), env=env, **arguments)
    run_env = env or getattr(loader, "default_run_env", None) or arguments.get("default_run_env")
    return loader, "local" if run_env is None else run_env


def get_config(loader, key):
    try:
        return loader[key]
    except (TypeError, AttributeError):  # the first loaders of 0.18 have no keys
        if hasattr(type(loader), "__getitem__"):
            raise
        return loader.get(*PATTERNS[key])


def read_config(read, key, notes):
    """What Kedro lets pass as well: no file at all."""
    try:
        return plain(read())
    except Exception as error:
        if type(error).__name__ != "MissingConfigException":
            raise
        notes.append("there are no files of %s" % key)
        return {}


def plain(value):
    """Of the first OmegaConfigLoaders, which gave OmegaConf's own objects."""
    if type(value).__name__ in ("DictConfig", "ListConfig"):
        from omegaconf import OmegaConf

        return OmegaConf.to_container(value, resolve=True)
    return value


def describe_models(registry):
    """kedro-mlflow logs the model of a `pipeline_ml_factory` when a run has ended that had all of its nodes."""
    names = ['"%s"' % key for key, pipeline in registry.items() if type(pipeline).__module__.startswith("kedro_mlflow.")]
    if not names:
        return []
    text = "pipeline_ml_factory: kedro-mlflow logs the model of %s only where one step runs all nodes (--merge full)"
    return [text % ", ".join(names)]


def is_one(pipeline):
    return hasattr(pipeline, "nodes")  # the sum of no pipelines is 0


def nodes_of(pipeline, project):
    return [
        {
            "name": node.name,
            "named": getattr(node, "_name", None) is not None,
            "func": name_of(function_of(node)),
            "inputs": list(node.inputs),
            "outputs": list(node.outputs),
            "tags": sorted(node.tags),
            "namespace": node.namespace or None,
            "confirms": list(node.confirms),
            "source": source_of(function_of(node), project),
        }
        for node in pipeline.nodes
    ]


def function_of(node):
    return getattr(node, "_func", None) or node.func


def name_of(func):
    if isinstance(func, functools.partial):
        return "<partial %s>" % name_of(func.func)
    name = getattr(func, "__name__", None)
    if name is None:
        return "<%s>" % type(func).__name__
    module = getattr(func, "__module__", None)
    return name if module is None else "%s.%s" % (module, name)


def source_of(func, project):
    while isinstance(func, functools.partial):
        func = func.func
    try:
        func = inspect.unwrap(func)
        path = Path(inspect.getsourcefile(func)).resolve()
        line = func.__code__.co_firstlineno
        return {"file": path.relative_to(project).as_posix(), "line": line}
    except Exception:
        return None


def encode(value):
    if value is None or isinstance(value, (bool, str)):
        return value if type(value) in (bool, str) or value is None else str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            return {"$float": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
        return {"$float": repr(float(value))}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        # pairs keep their order also where keys look like numbers
        return {"$map": [[encode(key), encode(item)] for key, item in value.items()]}
    return {"$opaque": "%s.%s" % (type(value).__module__, type(value).__name__)}


main(sys.argv[1], sys.argv[2])
