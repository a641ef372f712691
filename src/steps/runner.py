"""Runs the Kedro nodes of one step, started as: python -c THIS SHARED STEP PARAMS [STATUS FAILURES]

SHARED and STEP are JSON (RunnerShared and RunnerStep in step.ts). PARAMS is base64 of a JSON object from server
parameter name to text, with the parameters of this step only. STATUS and FAILURES tell the last step of a run how the
run ended; its nodes read them as parameters. Standard library only, syntax of Python 3.6, and no
text that Argo, KFP, Kubernetes or a shell would expand, because it is embedded in templates; one file for that reason.

Exit status:
  0    every node of the step succeeded
  1    a node failed, or the Kedro run around it (hooks, catalog); also when a node calls sys.exit
  90   a broken argument; the message names the parameter
  91   the image is not of the same state as this pipeline; nothing was run
  92   there is no Kedro project in the folder, or it cannot be opened
  143  ended by SIGTERM
The last line on stderr says which; parameter values and the environment are never printed from here.
"""
import sys

if sys.path and sys.path[0] == "":
    del sys.path[0]  # as with `kedro run`: a file in the working directory must not hide a library

import base64
import contextlib
import hashlib
import inspect
import json
import os
import pickle
import re
import shutil
import signal
import tempfile
import traceback
import zlib
from pathlib import Path

FAILED, BAD_ARGUMENT, OTHER_STATE, NO_PROJECT = 1, 90, 91, 92
DEFAULT = "__default__"


class Refused(Exception):
    """Nothing was run; `status` says why."""

    def __init__(self, status, message):
        Exception.__init__(self, message)
        self.status = status


def main(argv):
    scratch = []
    watch = Watch()
    catch_sigterm(scratch)
    guard_exit(watch)
    name = "?"
    try:
        shared, step, values = read_arguments(argv)
        name = watch.step = step["step"] if "step" in step else name_of(step["nodes"])
        watch.names = [node[0] for node in step["nodes"]]
        run(shared, step["nodes"], values, watch, scratch)
        watch.check_finished()
        return 0
    except Refused as error:
        if error.__cause__ is not None:
            traceback.print_exc()
        say(name, str(error))
        return error.status
    except KeyboardInterrupt:
        say(name, "interrupted" + watch.where())
        return 130
    except BaseException as error:  # SystemExit too: a node that calls sys.exit(0) has not succeeded
        traceback.print_exc()
        say(name, "failed%s: %s" % (watch.where(), type(error).__name__))
        return FAILED
    finally:
        remove(scratch)


# --- arguments ---


def read_arguments(argv):
    if len(argv) not in (3, 5):
        raise Refused(BAD_ARGUMENT, "three arguments are wanted, not %d" % len(argv))
    texts = [whole(text) for text in argv]
    shared = read_json("first", texts[0])
    if shared.get("kfk") != 1:
        raise Refused(BAD_ARGUMENT, "the first argument is of another version of this program")
    step = read_json("second", texts[1])
    if "packed" in step:
        try:
            step["nodes"] = json.loads(zlib.decompress(base64.b64decode(step["packed"])).decode("ascii"))
        except (ValueError, zlib.error):
            raise Refused(BAD_ARGUMENT, "the nodes in the second argument cannot be unpacked")
    step["nodes"] = [node + ends_of(node[0]) if len(node) == 1 else node for node in step.get("nodes", [])]
    try:
        packed = base64.b64decode(texts[2].encode("ascii"), validate=True).decode("utf-8")
    except ValueError:
        raise Refused(BAD_ARGUMENT, "the third argument is not base64")
    values, changed = {}, {}
    for name, text in sorted(read_json("third", packed).items()):
        if name not in shared["parameters"]:
            raise Refused(BAD_ARGUMENT, 'parameter "%s" is unknown' % name)
        key, tag, digest = (shared["parameters"][name] + [None])[:3]
        values[key] = decode(name, tag, text)
        if digest is not None and hashlib.sha256(text.encode("utf-8")).hexdigest()[:8] != digest:
            changed[key] = values[key]
    leave_to_kedro(shared, values, changed)
    if len(argv) == 5:
        values.update(status=texts[3], failures=read_failures(texts[4]))
    shared["changed"] = changed
    return shared, step, values


def name_of(nodes):
    """A step of one node is called like it; as the document calls it, where only dashes differ."""
    name = nodes[0][0] if nodes else "?"
    return name.replace("_", "-") if re.match(r"[A-Za-z0-9_]+\Z", name) else name


def ends_of(name):
    """Inputs and outputs as they stand in a name that Kedro has made of them."""
    match = re.search(r"\(\[([^\[\]]*)\]\) -> \[([^\[\]]*)\]\Z", name)
    if match is None:
        raise Refused(BAD_ARGUMENT, "the second argument does not say what node %s reads" % quote(name))
    return [re.split("[,;]", names) for names in match.groups()]


def leave_to_kedro(shared, values, changed):
    """Takes out of the values what Kedro finds itself, when it is told of what this run has changed."""
    for key in shared.get("runOnly", []):
        values.pop(key, None)
    for key, sources in shared.get("follows", {}).items():
        if key not in changed and any(source in changed for source in sources):
            values.pop(key, None)


def read_failures(text):
    """Argo's list of failed steps: JSON in a text that Go has quoted, which is nearly JSON too."""
    try:
        inner = json.loads(text)
    except ValueError:
        return text
    return inner if isinstance(inner, str) else text


def whole(text):
    """Argo puts arguments that are very long together into files."""
    if not re.match(r"@/tmp/argo_arg_\d+\.txt\Z", text):
        return text
    try:
        with open(text[1:], encoding="utf-8") as file:
            return file.read()
    except OSError:
        raise Refused(BAD_ARGUMENT, "Argo moved an argument to %s, which cannot be read: it is too long" % text[1:])


def read_json(which, text):
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refused(BAD_ARGUMENT, "the %s argument is not a JSON object" % which)
    return value


def decode(name, tag, text):
    """Text of a parameter to its value: `s` as it is; `q` JSON after a quote mark; `j` JSON; `n` JSON if it parses."""
    if not isinstance(text, str):
        raise Refused(BAD_ARGUMENT, 'parameter "%s" did not arrive as text' % name)
    if "{" * 2 in text:
        hint = "" if tag == "s" else r'; in JSON text write the second one as \u007b'
        raise Refused(BAD_ARGUMENT, 'parameter "%s" holds two braces in a row, which Argo may expand%s' % (name, hint))
    if tag == "s" or (tag == "q" and not text.startswith('"')):
        return text
    try:
        return json.loads(text)
    except ValueError:
        if tag == "n":
            return text
        raise Refused(BAD_ARGUMENT, 'parameter "%s" must be JSON, and this is not' % name)


# --- the run ---


def run(shared, nodes, values, watch, scratch):
    project = Path(shared["project"])
    check_project(project)
    project = project.resolve()
    prepare_process(project, shared["env"])
    try:
        import kedro
        from kedro.framework.hooks import hook_impl
    except ImportError as error:
        raise Refused(NO_PROJECT, "this Python (%s) cannot import Kedro" % sys.executable) from error
    used = {name for _, inputs, outputs in nodes for name in list(inputs) + list(outputs)}
    store = make_store(shared["store"], used.intersection(shared["carried"]))
    check = Check(shared["pipeline"], nodes, kedro.__version__, shared.get("state", {}).get(shared["pipeline"]))
    try:
        start = open_project(project, shared, scratch)
    except Exception as error:
        raise Refused(NO_PROJECT, "the project in %s cannot be opened: %s" % (project, type(error).__name__)) from error
    start(make_hooks(hook_impl, check, values, store, watch), check, values)


def check_project(folder):
    if is_project(folder):
        return
    message = "there is no Kedro project in %s" % folder
    if is_project(Path.cwd()):
        message += " (but there is one in %s)" % Path.cwd()
    raise Refused(NO_PROJECT, message + ": set run_config.project_dir to the folder that holds it in the image")


def is_project(folder):
    try:
        if (folder / ".kedro.yml").is_file():
            return True
        return "[tool.kedro]" in (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def prepare_process(project, env):
    os.chdir(str(project))
    sys.argv = ["kedro"]
    os.environ.update(KEDRO_ENV=env, KEDRO_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
    for name, value in [("PYTHONUNBUFFERED", "1"), ("NO_COLOR", "1"), ("COLUMNS", "200")]:
        os.environ.setdefault(name, value)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # Python 3.7
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def open_project(project, shared, scratch):
    """Makes the function that runs the step; three eras of Kedro's Python API."""
    try:
        from kedro.framework import startup
    except ImportError:  # 0.16
        return open_with_context(project, shared)
    from kedro.framework.session import KedroSession

    if hasattr(startup, "bootstrap_project"):
        metadata = startup.bootstrap_project(project)
    else:  # 0.17.0 to 0.17.2
        metadata = startup._get_project_metadata(project)
        sys.path.insert(0, str(metadata.source_dir))
    try:
        from kedro.framework.project import pipelines, settings
    except ImportError:
        pipelines = settings = None
    session_class = getattr(settings, "SESSION_CLASS", None) or KedroSession
    known = inspect.signature(session_class.create).parameters
    options = {"project_path": project, "env": shared["env"]}
    if run_parameters(shared):
        options["runtime_params" if "runtime_params" in known else "extra_params"] = run_parameters(shared)
    if "package_name" in known:
        options["package_name"] = metadata.package_name
    conf = shared.get("conf") or getattr(settings, "CONF_SOURCE", None) or getattr(settings, "CONF_ROOT", "conf")
    if "conf_source" in known:
        options["conf_source"] = prepare_conf(project, conf, shared["env"], scratch)
    if hasattr(pipelines, "set_requested"):
        # Kedro >= 1.5 would load the registry again with one folder of pipelines only, which many cannot do
        pipelines.set_requested(None)
        pipelines.set_requested = ignore

    def start(hooks, check, values):
        with session_class.create(**options) as session:
            manager = getattr(session, "_hook_manager", None) or global_hooks()
            if not register(manager, hooks):
                context = session.load_context()
                replace_parameters(type(context), values)
                check.compare(context.pipelines if pipelines is None else pipelines)
            arguments = {"node_names": check.names}
            if "pipeline_names" in inspect.signature(session.run).parameters:
                arguments["pipeline_names"] = None if check.pipeline == DEFAULT else [check.pipeline]
            else:
                arguments["pipeline_name"] = None if check.pipeline == DEFAULT else check.pipeline
            session.run(**arguments)

    return start


def run_parameters(shared):
    """What `kedro run --params` would be given; a value with an interpolation in it would not stay as it is."""
    return {key: value for key, value in shared["changed"].items() if "$" + "{" not in json.dumps(value)}


def open_with_context(project, shared):
    from kedro.framework.context import load_context

    context = load_context(project, env=shared["env"], extra_params=run_parameters(shared) or None)

    def start(hooks, check, values):
        register(global_hooks(), hooks)
        replace_parameters(type(context), values)
        check.compare(context.pipelines)
        context.run(pipeline_name=None if check.pipeline == DEFAULT else check.pipeline, node_names=check.names)

    return start


def global_hooks():
    from kedro.framework.hooks import get_hook_manager

    return get_hook_manager()


def ignore(*_):
    return None


def register(manager, hooks):
    """True when this Kedro tells hooks of its context, so that they replace the parameters."""
    for plugin in list(manager.get_plugins()):
        if (getattr(plugin, "__module__", None) or getattr(plugin, "__name__", "")).startswith("kedro_telemetry"):
            manager.unregister(plugin)
    for hook in hooks:
        manager.register(hook)
    loading = getattr(manager.hook, "before_dataset_loaded", None)
    if loading is not None and "node" in loading.spec.argnames:
        manager.register(hooks[0].loading())
    created = getattr(manager.hook, "after_context_created", None)
    return created is not None and created.has_spec()


def replace_parameters(context_class, values):
    """Before Kedro 0.18.1: what the context reads from conf, with our values in place."""
    read = context_class.params.fget

    def params(self):
        merged = dict(read(self))
        merged.update(values)
        return merged

    context_class.params = property(params)


def make_hooks(hook_impl, check, values, store, watch):
    class First:
        """Called before the hooks of the project, which then see the values and datasets of this run."""

        @hook_impl(tryfirst=True)
        def after_context_created(self, context):
            if values:
                set_parameters(context.config_loader, values)

        @hook_impl(tryfirst=True)
        def after_catalog_created(self, catalog):
            for name in sorted(store):
                getattr(catalog, "_lazy_datasets", {}).pop(name, None)  # it would come back at the first load
                if hasattr(type(catalog), "__setitem__"):
                    catalog[name] = store[name]
                else:
                    catalog.add(name, store[name], replace=True)

        @hook_impl(tryfirst=True)
        def before_pipeline_run(self, pipeline):
            check.same_names([node.name for node in pipeline.nodes])

        @hook_impl(tryfirst=True)
        def before_node_run(self, node):
            watch.current = node.name

        @hook_impl
        def after_node_run(self, node):
            watch.finished.add(node.name)

        @hook_impl(tryfirst=True)
        def after_pipeline_run(self):
            watch.current = None

        @staticmethod
        def loading():
            class Loading:
                @hook_impl(tryfirst=True)
                def before_dataset_loaded(self, node):
                    watch.current = node.name

            return Loading()

    class Last:
        """Called after the hooks of the project: its registry may need what they set up."""

        @hook_impl(trylast=True)
        def after_context_created(self):
            from kedro.framework.project import pipelines

            check.compare(pipelines)

    return [First(), Last()]


def set_parameters(loader, values):
    """An explicit entry of a config loader is taken as it is: nothing in the values is interpolated or merged."""
    try:
        read = loader["parameters"]
    except Exception as error:
        if type(error).__name__ != "MissingConfigException":
            raise
        read = {}
    if type(read).__module__.startswith("omegaconf"):  # 0.18.5 to 0.18.8
        from omegaconf import OmegaConf

        read = OmegaConf.to_container(read, resolve=True)
    merged = dict(read)
    merged.update(values)
    loader["parameters"] = merged
    now = loader["parameters"]
    if any(key not in now or now[key] is not value for key, value in values.items()):
        raise RuntimeError("%s does not take parameters that are set from outside" % type(loader).__name__)


class Check:
    """What the graph says of the nodes, against what the project says."""

    def __init__(self, pipeline, nodes, version, state=None):
        self.pipeline = pipeline
        self.state = state
        self.nodes = nodes
        self.names = [name for name, _, _ in nodes]
        self.version = version

    def compare(self, registry):
        if self.pipeline not in registry:
            known = ", ".join(sorted(map(str, registry)))
            self.refuse(['there is no pipeline "%s"; there are: %s' % (self.pipeline, known)])
        have = {}
        for node in getattr(registry[self.pipeline], "nodes", []):
            have[node.name] = [sorted(node.inputs), sorted(node.outputs)]
        problems = []
        for name, inputs, outputs in self.nodes:
            want = [sorted(inputs), sorted(outputs)]
            if name in have:
                for index, what in enumerate(["inputs", "outputs"]):
                    if have[name][index] != want[index]:
                        difference = "node %s has other %s: %s in the pipeline, %s here"
                        problems.append(difference % (quote(name), what, want[index], have[name][index]))
                continue
            twins = ", ".join(quote(other) for other in sorted(have) if have[other] == want)
            same = "; of the same inputs and outputs there is %s" % twins if twins else ""
            problems.append("there is no node %s%s" % (quote(name), same))
        if self.state is not None and not problems:
            lines = sorted("|".join([name, ",".join(have[name][0]), ",".join(have[name][1])]) for name in have)
            digest = hashlib.sha256("\n".join(lines).encode("utf-8")).hexdigest()[:8]
            if [len(lines), digest] != self.state:
                counts = (self.state[0], len(lines))
                problems.append("it has other nodes: %d in the pipeline, %d here (see kfk model --verify)" % counts)
        if problems:
            self.refuse(problems)
        whole = registry[self.pipeline]
        if type(whole).__module__.startswith("kedro_mlflow.") and len(self.nodes) < len(whole.nodes):
            # its pipeline_ml_factory would log a model after each part, or refuse the part
            registry[self.pipeline] = whole.training

    def refuse(self, problems):
        text = "the image is not of the same state as this pipeline"
        where = "of pipeline %s, with Kedro %s" % (quote(self.pipeline), self.version)
        raise Refused(OTHER_STATE, "%s (%s): %s" % (text, where, "; ".join(problems)))

    def same_names(self, names):
        if sorted(names) != sorted(self.names):
            raise RuntimeError("Kedro was about to run other nodes than those of this step")


class Watch:
    """Which node is at work, for the last line of a failure."""

    def __init__(self):
        self.step = "?"
        self.current = None
        self.names = []
        self.finished = set()

    def where(self):
        if self.current is not None:
            return " in node " + quote(self.current)
        missing = self.missing()
        return " before node " + quote(missing[0]) if missing else " after its last node"

    def missing(self):
        return [name for name in self.names if name not in self.finished]

    def check_finished(self):
        if self.missing():
            raise RuntimeError("Kedro returned without running %s" % ", ".join(map(quote, self.missing())))


# --- datasets between steps ---


def make_store(folder, names):
    if not names:
        return {}
    try:
        from kedro.io import AbstractDataset as Base
    except ImportError:  # up to 0.18.10
        from kedro.io import AbstractDataSet as Base

    class CarriedDataset(Base):
        """A dataset that the catalog does not keep, on the volume of the run."""

        def __init__(self, name):
            self.name = name
            slug = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:80]
            digest = hashlib.sha256(name.encode("utf-8")).hexdigest()[:12]
            self.path = os.path.join(folder, "%s-%s.pkl" % (slug, digest))

        def _load(self):
            try:
                with open_file(self.path, "rb") as file:
                    return pickle.load(file)
            except FileNotFoundError:
                raise RuntimeError("dataset %s is not there: no step of this run has made it" % quote(self.name))

        def _save(self, data):
            if is_url(folder):
                with self.telling_what_helps():
                    packed = pickle.dumps(data, protocol=pickle.HIGHEST_PROTOCOL)
                with open_file(self.path, "wb") as file:
                    file.write(packed)
                return
            os.makedirs(folder, exist_ok=True)
            handle, scratch = tempfile.mkstemp(dir=folder, suffix=".tmp")
            try:
                with os.fdopen(handle, "wb") as file:
                    pickle.dump(data, file, protocol=pickle.HIGHEST_PROTOCOL)
                os.chmod(scratch, 0o644)
                os.replace(scratch, self.path)
            except BaseException as error:
                os.unlink(scratch)
                with self.telling_what_helps():
                    raise error

        @contextlib.contextmanager
        def telling_what_helps(self):
            try:
                yield
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                advice = "add it to the catalog, or group its nodes into one step (merge)"
                raise RuntimeError("dataset %s cannot be pickled: %s" % (quote(self.name), advice)) from error

        def _exists(self):
            if is_url(self.path):
                import fsspec

                files, path = fsspec.core.url_to_fs(self.path)
                return files.exists(path)
            return os.path.exists(self.path)

        def _describe(self):
            return {"path": self.path}

    if is_url(folder):
        folder = folder.rstrip("/") + "/" + os.environ["KUBEFLOW_RUN_ID"]
    return {name: CarriedDataset(name) for name in names}


def is_url(path):
    return "://" in path


def open_file(path, mode):
    if not is_url(path):
        return open(path, mode)
    try:
        import fsspec
    except ImportError:
        raise RuntimeError("the image has no fsspec, which run_config.datasets needs for %s" % path)
    return fsspec.open(path, mode)


# --- conf ---


def prepare_conf(project, conf, env, scratch):
    """The conf folder, or a copy that Kedro can read whole.

    Kedro refuses a missing folder of the run environment, and overlooks files that are links into a hidden folder,
    as all files of a mounted ConfigMap are.
    """
    folder = os.path.join(str(project), str(conf))
    if not os.path.isdir(folder):
        return str(conf) if "://" in str(conf) else folder
    if os.path.isdir(os.path.join(folder, env)) and not has_links(folder):
        return folder
    top = tempfile.mkdtemp(prefix="kfk-")
    scratch.append(top)
    copy = os.path.join(top, "conf")
    copy_files(folder, copy)
    os.makedirs(os.path.join(copy, env), exist_ok=True)
    return copy


def has_links(folder):
    found = (os.path.islink(os.path.join(at, name)) for at, some, others in os.walk(folder) for name in some + others)
    return os.path.islink(folder) or any(found)


def copy_files(source, target):
    os.makedirs(target)
    for name in sorted(os.listdir(source)):
        path = os.path.join(source, name)
        if os.path.isdir(path) and not name.startswith(".."):  # `..data`: how a ConfigMap keeps its versions
            copy_files(path, os.path.join(target, name))
        elif os.path.isfile(path):
            shutil.copyfile(path, os.path.join(target, name))


# --- the end ---


def catch_sigterm(scratch):
    own = os.getpid()

    def ended(*_):
        if os.getpid() != own:  # a process that a node has forked ends as it would without us
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        # Not an exception: it would wait for a node that runs in a thread of its own, as Kedro >= 1.0 has it.
        remove(scratch)
        leave(143)

    signal.signal(signal.SIGTERM, ended)


leave = os._exit


def guard_exit(watch):
    """A node that calls os._exit(0) has not succeeded; what it has forked may use it."""
    own = os.getpid()

    def guarded(status):
        if os.getpid() == own:
            say(watch.step, "failed%s: it called os._exit(%s)" % (watch.where(), status))
            status = FAILED
        leave(status)

    os._exit = guarded


def remove(scratch):
    for folder in scratch:
        shutil.rmtree(folder, ignore_errors=True)


def quote(name):
    return json.dumps(name)


def say(step, message):
    sys.stdout.flush()
    sys.stderr.write('kfk: step "%s": %s\n' % (step, message))
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
