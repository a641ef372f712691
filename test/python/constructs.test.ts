/**
 * Python's own rules in pipeline code, one construct at a time: enums, named tuples, dataclasses, special methods,
 * caches, `with`. Expectations were made by real Kedro 1.7.0; a code stands where kfk refuses.
 */
import { describe, expect, test } from "bun:test";
import { readRegistry } from "../../src/kedro/registry.ts";
import { findProject } from "../../src/project/find.ts";
import { projectHost } from "../../src/project/host.ts";
import { fakeWorld } from "../fake-world.ts";
import { projectFiles, ROOT } from "../project-files.ts";

const HEAD = `from kedro.pipeline import node, pipeline, Pipeline
def f(*a, **k): return a
def g(*a, **k): return a
`;

function read(code: string): readonly string[] | string | undefined {
  const world = fakeWorld({ cwd: ROOT, files: projectFiles({ registry: HEAD + code }) });
  const facts = findProject(world, ROOT);
  try {
    const registry = readRegistry(projectHost(world, facts), { package: facts.package, kedroVersion: "1.7.0" });
    return registry.pipelines
      .get("__default__")
      ?.nodes.map(
        ({ name, inputs, outputs, tags }) =>
          `${name}: ${inputs.join(",")} -> ${outputs.join(",")}${tags.map((tag) => `#${tag}`).join("")}`,
      );
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

const ROWS: readonly (readonly [name: string, code: string, expected: readonly string[] | string])[] = [
  [
    "eq",
    `class C:
    def __eq__(self,o): return True
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","y" if C()==1 else "n",name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "enum",
    `from enum import Enum
class E(str,Enum):
    A="a"
    B="b"
def register_pipelines():
    return {"__default__":pipeline([node(f,E.A,f"{E.B}",name=str(E.A))])}`,
    "PY_UNKNOWN",
  ],
  [
    "enum2",
    `from enum import Enum
class E(Enum):
    A="a"
    B="b"
def register_pipelines():
    return {"__default__":pipeline([node(f,e.value,f"{e.name}_o",name=str(e)) for e in E])}`,
    ["E.A: a -> A_o", "E.B: b -> B_o"],
  ],
  [
    "enum alias",
    `from enum import Enum
class E(Enum):
    A="a"
    B="a"
def register_pipelines():
    return {"__default__":pipeline([node(f,e.value,f"{e.name}_o",name=e.name) for e in E])}`,
    ["A: a -> A_o"],
  ],
  [
    "node attrs",
    `def register_pipelines():
    n=node(f,"a","b",name="n",tags="x"); m=node(g,"a","c")
    return {"__default__":pipeline([n]+[node(f,o,o+"2",name=n.name+"2"+m.short_name.replace(" ","")) for o in n.outputs],tags="t")}`,
    ["n: a -> b#t#x", "n2G: b -> b2#t"],
  ],
  [
    "bind",
    `def h(x): return x
def register_pipelines():
    return {"__default__":pipeline([node(h,["a","b"],"c",name="x")])}`,
    "PY_RAISED",
  ],
  [
    "with",
    `from contextlib import contextmanager, suppress
def register_pipelines():
    ns=[]
    with suppress(KeyError):
        ns.append(node(f,"a","b",name="n"))
        {}["x"]
        ns.append(node(f,"a","c",name="m"))
    return {"__default__":pipeline(ns)}`,
    ["n: a -> b"],
  ],
  [
    "bool",
    `class C:
    def __bool__(self): return False
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","y" if C() else "n",name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "len",
    `class C:
    def __len__(self): return 0
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","y" if C() else "n",name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "d add",
    `class C:
    def __add__(s,o): return "q"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",C()+1,name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "d str",
    `class C:
    def __str__(s): return "q"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",str(C()),name=f"{C()}")])}`,
    ["q: a -> q"],
  ],
  [
    "d hash",
    `class C:
    def __init__(s,v): s.v=v
    def __hash__(s): return 1
    def __eq__(s,o): return s.v==o.v
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","o"+str(len({C(1),C(1)})),name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "d eq dictkey",
    `class C:
    def __init__(s,v): s.v=v
    def __hash__(s): return 1
    def __eq__(s,o): return s.v==o.v
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",{C(1):"x"}.get(C(1),"none"),name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "d lt",
    `class C:
    def __init__(s,v): s.v=v
    def __lt__(s,o): return s.v>o.v
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",f"b{x.v}",name=f"n{i}") for i,x in enumerate(sorted([C(1),C(2)]))])}`,
    "PY_UNKNOWN",
  ],
  [
    "d getattribute",
    `class C:
    x="q"
    def __getattribute__(s,k): return "zz"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",C().x,name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "d desc",
    `class D:
    def __get__(s,o,t): return "zz"
class C:
    x=D()
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",C().x,name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "d meta",
    `class M(type):
    def __getattr__(c,k): return "m_"+k
class C(metaclass=M): pass
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",C.x,name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "d with",
    `class C:
    def __enter__(s): return "q"
    def __exit__(s,*a): return True
def register_pipelines():
    ns=[]
    with C() as q:
        ns.append(node(f,"a",q,name="n"))
        raise ValueError("x")
    return {"__default__":pipeline(ns)}`,
    ["n: a -> q"],
  ],
  [
    "str sub",
    `class S(str):
    def upper(self): return "ZZ"
    def __str__(self): return "ss"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",S("q").upper(),name=str(S("q")))])}`,
    ["ss: a -> ZZ"],
  ],
  [
    "str sub2",
    `class S(str):
    def __eq__(self,o): return True
    def __hash__(self): return 1
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","y" if S("q")=="z" else "n",name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "intenum",
    `from enum import IntEnum, auto, Enum
class E(IntEnum):
    A=auto()
    B=auto()
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",f"b{E.B}",name=f"n{E.A+1}")])}`,
    ["n2: a -> b2"],
  ],
  [
    "enum val",
    `from enum import Enum
class E(Enum):
    A="x"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",E.A.value,name=E.A.name)])}`,
    ["A: a -> x"],
  ],
  [
    "enum name",
    `from enum import Enum
class E(str,Enum):
    A="x"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",E.A.value,name=E.A.name)])}`,
    ["A: a -> x"],
  ],
  [
    "enum eq",
    `from enum import Enum
class E(Enum):
    A="x"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","y" if E.A=="x" else "n",name="n")])}`,
    ["n: a -> n"],
  ],
  [
    "enum dup eq",
    `from enum import Enum
class E(Enum):
    A=1
    B=1
    C=2
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","y" if E.A is E.B else "n",name=E.B.name)])}`,
    ["A: a -> y"],
  ],
  [
    "enum call",
    `from enum import Enum
class E(Enum):
    A="x"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",E("x").name,name=E["A"].value)])}`,
    ["x: a -> A"],
  ],
  [
    "enum attr",
    `from enum import Enum
class E(Enum):
    A="x"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",f"b_{E.A}",name="n")])}`,
    ["n: a -> b_E.A"],
  ],
  [
    "enum fmt",
    `from enum import Enum
class E(str,Enum):
    A="x"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","b_%s"%E.A,name="n_"+E.A)])}`,
    ["n_x: a -> b_E.A"],
  ],
  [
    "enum join",
    `from enum import Enum
class E(str,Enum):
    A="x"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","_".join([E.A,"k"]),name="{}".format(E.A))])}`,
    "PY_UNKNOWN",
  ],
  [
    "strenum",
    `from enum import StrEnum, auto
class E(StrEnum):
    A=auto()
    B="zz"
def register_pipelines():
    return {"__default__":pipeline([node(f,E.B,f"{E.A}",name=str(E.B))])}`,
    ["zz: zz -> a"],
  ],
  [
    "dataclass frozen hash",
    `from dataclasses import dataclass
@dataclass(frozen=True)
class C:
    n:str="a"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",str(len({C("x"),C("x")})),name="n")])}`,
    ["n: a -> 1"],
  ],
  [
    "ntuple cls",
    `from typing import NamedTuple
class T(NamedTuple):
    a:str
    b:str="z"
def register_pipelines():
    return {"__default__":pipeline([node(f,T("x").a,T("x").b,name="n"),node(f,*T("p","q"),name="m")])}`,
    ["m: p -> q", "n: x -> z"],
  ],
  [
    "typeddict",
    `from typing import TypedDict
class T(TypedDict):
    a:str
def register_pipelines():
    return {"__default__":pipeline([node(f,T(a="x")["a"],"b",name="n")])}`,
    ["n: x -> b"],
  ],
  [
    "mro",
    `class A:
    def m(s): return "A"
class B(A):
    def m(s): return "B"+super().m()
class C(A):
    def m(s): return "C"+super().m()
class D(B,C):
    def m(s): return "D"+super().m()
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",D().m(),name="n")])}`,
    ["n: a -> DBCA"],
  ],
  [
    "instance dict",
    `class A:
    x="c"
a=A(); a.__dict__["x"]="i"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",a.x,name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "false raise caught",
    `from typing import NamedTuple
class T(NamedTuple):
    a: str
    b: str = "z"
def register_pipelines():
    try:
        t=T("x"); ns=[node(f,t.a,t.b,name="n")]
    except TypeError:
        ns=[node(f,"i","fallback",name="n")]
    return {"__default__":pipeline(ns)}`,
    ["n: x -> z"],
  ],
  [
    "false raise enum",
    `from enum import Enum
class E(Enum):
    A="x"
def register_pipelines():
    try:
        ns=[node(f,"i",e.value,name="n") for e in E]
    except Exception:
        ns=[node(f,"i","fallback",name="n")]
    return {"__default__":pipeline(ns)}`,
    ["n: i -> x"],
  ],
  [
    "node dict shared",
    `def register_pipelines():
    d={"x":"a"}
    n=node(f,d,"o",name="n"); d["y"]="b"
    n.inputs.append("zzz")
    return {"__default__":pipeline([n])}`,
    "PY_UNKNOWN",
  ],
  [
    "node list shared",
    `def register_pipelines():
    ins=["a"]
    n=node(f,ins,"o",name="n"); ins.append("b")
    return {"__default__":pipeline([n])}`,
    "PY_UNKNOWN",
  ],
  [
    "node priv",
    `def register_pipelines():
    n=node(f,"a","o",name="n"); n._name="zz"; n._inputs="q"
    return {"__default__":pipeline([n])}`,
    "PY_UNKNOWN",
  ],
  [
    "enum mod",
    `import enum
class E(str,enum.Enum):
    A="x"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",f"b_{E.A.value}",name=E.A.name)])}`,
    ["A: a -> b_x"],
  ],
  [
    "enum from",
    `from enum import Enum
class E(Enum):
    A="x"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",E.A.value,name="n")])}`,
    ["n: a -> x"],
  ],
  [
    "reload",
    `import functools
@functools.lru_cache(maxsize=None)
def mk(n=[0]):
    n[0]+=1; return n[0]
def register_pipelines():
    a=mk(); b=mk()
    return {"__default__":pipeline([node(f,"i",f"o{a}{b}",name="n")])}`,
    ["n: i -> o11"],
  ],
  [
    "cache2",
    `import functools
calls=[]
@functools.cache
def mk(x):
    calls.append(x); return x
def register_pipelines():
    mk("a"); mk("a")
    return {"__default__":pipeline([node(f,"i",f"o{len(calls)}",name="n")])}`,
    ["n: i -> o1"],
  ],
  [
    "cached prop",
    `import functools
class C:
    n=0
    @functools.cached_property
    def p(self):
        C.n+=1; return C.n
def register_pipelines():
    c=C(); c.p; c.p
    return {"__default__":pipeline([node(f,"i",f"o{c.p}",name="n")])}`,
    ["n: i -> o1"],
  ],
  [
    "dataclass frozen",
    `from dataclasses import dataclass
@dataclass(frozen=True)
class C:
    n:str="a"
def register_pipelines():
    c=C()
    try: c.n="b"
    except Exception: pass
    return {"__default__":pipeline([node(f,"i",c.n+"o",name="n")])}`,
    ["n: i -> ao"],
  ],
  [
    "nt immut",
    `from collections import namedtuple
T=namedtuple("T","a b",defaults=["z"])
def register_pipelines():
    t=T("x")._replace(a="q")
    return {"__default__":pipeline([node(f,"i",t.a+t.b,name="n")])}`,
    ["n: i -> qz"],
  ],
  [
    "partial fits",
    `from functools import partial
def h(x,y,z): return x
def register_pipelines():
    return {"__default__":pipeline([node(partial(h,z="k"),["a","b"],"c",name="x")])}`,
    ["x: a,b -> c"],
  ],
  [
    "partial positional keyword",
    `from functools import partial
def h(x,y,z): return x
def register_pipelines():
    try:
        n=node(partial(h,x=1),["a","b"],"c",name="x")
    except TypeError as e:
        n=node(f,"bad","c",name="x")
    return {"__default__":pipeline([n])}`,
    ["x: bad -> c"],
  ],
  [
    "partial one taken",
    `from functools import partial
def h(x,y,z): return x
def register_pipelines():
    return {"__default__":pipeline([node(partial(h,1),["a","b"],"c",name="x")])}`,
    ["x: a,b -> c"],
  ],
  [
    "keyword only by dict",
    `def h(x,*,k): return x
def register_pipelines():
    return {"__default__":pipeline([node(h,{"x":"a","k":"b"},"c",name="x")])}`,
    ["x: a,b -> c"],
  ],
  [
    "keyword only missing",
    `def h(x,*,k): return x
def register_pipelines():
    return {"__default__":pipeline([node(h,"a","c",name="x")])}`,
    "PY_RAISED",
  ],
  [
    "unknown argument in dict",
    `def h(x): return x
def register_pipelines():
    return {"__default__":pipeline([node(h,{"x":"a","k":"b"},"c",name="x")])}`,
    "PY_RAISED",
  ],
  [
    "no inputs needed",
    `def h(x=1): return x
def register_pipelines():
    return {"__default__":pipeline([node(h,None,"c",name="x")])}`,
    ["x:  -> c"],
  ],
  [
    "no inputs but needed",
    `def h(x): return x
def register_pipelines():
    return {"__default__":pipeline([node(h,None,"c",name="x")])}`,
    "PY_RAISED",
  ],
  [
    "lambda too many",
    `def register_pipelines():
    return {"__default__":pipeline([node(lambda a: a,["a","b"],"c",name="x")])}`,
    "PY_RAISED",
  ],
  [
    "method of instance",
    `class H:
    def go(self,x,y): return x
def register_pipelines():
    return {"__default__":pipeline([node(H().go,["a","b"],"c",name="x")])}`,
    ["x: a,b -> c"],
  ],
  [
    "static method",
    `class H:
    @staticmethod
    def go(x,y): return x
def register_pipelines():
    return {"__default__":pipeline([node(H.go,["a","b"],"c",name="x")])}`,
    ["x: a,b -> c"],
  ],
  [
    "decorated",
    `from functools import wraps
def deco(fn):
    @wraps(fn)
    def inner(*a,**k): return fn(*a,**k)
    return inner
@deco
def h(x): return x
def register_pipelines():
    return {"__default__":pipeline([node(h,["a","b"],"c",name="x")])}`,
    ["x: a,b -> c"],
  ],
  [
    "node subclass",
    `from kedro.pipeline.node import Node
class MyNode(Node):
    def __init__(self,*args,extra=None,**kwargs):
        self._extra=extra
        super().__init__(*args,**kwargs)
    @property
    def extra(self): return self._extra
def register_pipelines():
    ns=[MyNode(f,"a","b",name="n",extra=1),MyNode(func=g,inputs=["b"],outputs="c",name="m",tags="t")]
    return {"__default__":pipeline(ns,namespace="ns")}`,
    ["ns.n: ns.a -> ns.b", "ns.m: ns.b -> ns.c#t"],
  ],
  [
    "node subclass own name",
    `from kedro.pipeline.node import Node
class MyNode(Node):
    @property
    def name(self): return "zz"
def register_pipelines():
    return {"__default__":pipeline([MyNode(f,"a","b",name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "node subclass changes name",
    `from kedro.pipeline.node import Node
class MyNode(Node):
    def __init__(self,*args,name=None,**kwargs):
        super().__init__(*args,name=name+"_x",**kwargs)
def register_pipelines():
    return {"__default__":pipeline([MyNode(f,"a","b",name="n")])}`,
    ["n_x: a -> b"],
  ],
  [
    "super cooperative",
    `class A:
    def __init__(self): self.v="A"
class B(A):
    def __init__(self): super().__init__(); self.v+="B"
class C(A):
    def __init__(self): super().__init__(); self.v+="C"
class D(B,C):
    def __init__(self): super().__init__(); self.v+="D"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",D().v,name="n")])}`,
    ["n: a -> ACBD"],
  ],
  [
    "dataclass inherits",
    `from dataclasses import dataclass, field
@dataclass
class B:
    a: str
    b: str = "q"
@dataclass
class E(B):
    c: str = "r"
    label: str = field(init=False)
    def __post_init__(self): self.label=self.a+self.b+self.c
def register_pipelines():
    return {"__default__":pipeline([node(f,E("p").a,E("p",c="z").label,name="n")])}`,
    ["n: p -> pqz"],
  ],
  [
    "frozen set by object",
    `from dataclasses import dataclass
@dataclass(frozen=True)
class E:
    a: str
    b: str = ""
    def __post_init__(self): object.__setattr__(self,"b",self.a+"_b")
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",E("p").b,name="n")])}`,
    ["n: a -> p_b"],
  ],
  [
    "namedtuple subclass",
    `from collections import namedtuple
class P(namedtuple("P",["a","b"])):
    @property
    def both(self): return self.a+self.b
def register_pipelines():
    p=P("x","y"); return {"__default__":pipeline([node(f,p.both,p._asdict()["b"],name=p._replace(a="k").a)])}`,
    ["k: xy -> y"],
  ],
  [
    "namedtuple equality",
    `from typing import NamedTuple
class P(NamedTuple):
    a:str
    b:str
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","y" if P("x","y")==("x","y") and isinstance(P(1,2),tuple) else "n",name="n")])}`,
    ["n: a -> y"],
  ],
  [
    "enum members",
    `from enum import Enum
class E(Enum):
    A="x"
    B="y"
    C="x"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",m.value+k,name=k) for k,m in E.__members__.items()])}`,
    ["A: a -> xA", "B: a -> yB", "C: a -> xC"],
  ],
  [
    "enum private member",
    `from enum import Enum
class E(Enum):
    _A="x"
    B="y"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",e.value,name=e.value) for e in E])}`,
    ["x: a -> x", "y: a -> y"],
  ],
  [
    "enum own str",
    `from enum import Enum
class E(str,Enum):
    A="x"
    def __str__(self): return self.value+"s"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",f"{E.A}",name=str(E.A))])}`,
    ["xs: a -> xs"],
  ],
  [
    "int enum text",
    `from enum import IntEnum
class E(IntEnum):
    A=3
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",f"o{E.A}",name="n%d"%E.A)])}`,
    ["n3: a -> o3"],
  ],
  [
    "int enum str",
    `from enum import IntEnum
class E(IntEnum):
    A=3
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","o"+str(E.A),name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "flag",
    `from enum import Flag, auto
class E(Flag):
    A=auto()
    B=auto()
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","y" if E.A in (E.A|E.B) else "n",name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "member as dataset",
    `from enum import Enum
class E(str,Enum):
    A="x"
    B="y"
def register_pipelines():
    return {"__default__":pipeline([node(f,E.A,[E.B],name="n")])}`,
    ["n: x -> y"],
  ],
  [
    "member as dataset in namespace",
    `from enum import Enum
class E(str,Enum):
    A="x"
    B="y"
def register_pipelines():
    return {"__default__":pipeline([node(f,E.A,[E.B],name="n")],namespace="ns")}`,
    "PY_UNKNOWN",
  ],
  [
    "member as dataset without name",
    `from enum import Enum
class E(str,Enum):
    A="x"
    B="y"
def register_pipelines():
    return {"__default__":pipeline([node(f,E.A,[E.B])])}`,
    "PY_UNKNOWN",
  ],
  [
    "cached method",
    `from functools import lru_cache
class A:
    n=1
    @lru_cache(maxsize=None)
    def get(self,k): return k+str(self.n)
def register_pipelines():
    a=A(); a.get("x"); a.n=5; return {"__default__":pipeline([node(f,"a",a.get("x"),name="n")])}`,
    ["n: a -> x1"],
  ],
  [
    "property without setter",
    `class A:
    @property
    def x(self): return "q"
def register_pipelines():
    a=A()
    try:
        a.x="z"
    except AttributeError:
        pass
    return {"__default__":pipeline([node(f,"a",a.x,name="n")])}`,
    ["n: a -> q"],
  ],
  [
    "private names",
    `class A:
    def __init__(self): self.__x="pa"
    def a(self): return self.__x
class B(A):
    def __init__(self):
        super().__init__(); self.__x="pb"
    def b(self): return self.__x
def register_pipelines():
    b=B(); return {"__default__":pipeline([node(f,b.a(),b.b(),name="n")])}`,
    ["n: pa -> pb"],
  ],
  [
    "exit runs",
    `log=[]
class C:
    def __enter__(self): log.append("in"); return self
    def __exit__(self,*e): log.append("out")
def register_pipelines():
    with C() as c:
        pass
    return {"__default__":pipeline([node(f,"a",o,name=o) for o in log])}`,
    ["in: a -> in", "out: a -> out"],
  ],
  [
    "exit on return",
    `log=[]
class C:
    def __enter__(self): return self
    def __exit__(self,*e): log.append("out")
def register_pipelines():
    def go():
        with C():
            return "r"
    x=go()
    return {"__default__":pipeline([node(f,"a",o,name=o) for o in log+[x]])}`,
    ["out: a -> out", "r: a -> r"],
  ],
  [
    "suppress other",
    `from contextlib import suppress
def register_pipelines():
    try:
        with suppress(KeyError):
            raise ValueError("x")
        o="no"
    except ValueError:
        o="yes"
    return {"__default__":pipeline([node(f,"a",o,name="n")])}`,
    ["n: a -> yes"],
  ],
  [
    "list that grows",
    `def register_pipelines():
    ins=[]; ns=[]
    for x in "pq":
        ins.append(x); ns.append(node(f,ins,x+"o",name=x))
    return {"__default__":pipeline(ns)}`,
    "PY_UNKNOWN",
  ],
  [
    "list made anew",
    `def register_pipelines():
    ins=[]; ns=[]
    for x in "pq":
        ins.append(x); ns.append(node(f,list(ins),x+"o",name=x))
    return {"__default__":pipeline(ns)}`,
    ["p: p -> po", "q: p,q -> qo"],
  ],
  [
    "short name",
    `def train_model(x): return x
def register_pipelines():
    n=node(train_model,"a","b"); return {"__default__":pipeline([node(f,"a",n.short_name.replace(" ","_"),name="n")])}`,
    ["n: a -> Train_Model"],
  ],
  [
    "namespace set",
    `def register_pipelines():
    n=node(f,"a","b",name="n"); n._namespace="ns"; return {"__default__":pipeline([n])}`,
    ["ns.n: a -> b"],
  ],
  [
    "regex",
    `import re
def register_pipelines():
    m=re.search(r"grid_(?P<id>\\d+)","model_grid_12"); return {"__default__":pipeline([node(f,m.group(0),m["id"] if m else "n",name=re.match("x","yx") and "x" or "y")])}`,
    ["y: grid_12 -> 12"],
  ],
  [
    "regex findall",
    `import re
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",x,name=x) for x in re.compile(r"[a-z]+").findall("ab-cd")])}`,
    ["ab: a -> ab", "cd: a -> cd"],
  ],
  [
    "environ set",
    `import os
os.environ["KK"]="v"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",os.environ["KK"],name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "literal eval",
    `import ast
def register_pipelines():
    return {"__default__":pipeline([node(f,"a","o%d"%ast.literal_eval("12"),name="n")])}`,
    ["n: a -> o12"],
  ],
  [
    "metaclass abc",
    `import abc
class C(metaclass=abc.ABCMeta):
    v="q"
def register_pipelines():
    return {"__default__":pipeline([node(f,"a",C().v,name="n")])}`,
    ["n: a -> q"],
  ],
  [
    "slots",
    `class C:
    __slots__=("x",)
def register_pipelines():
    c=C(); c.x="q"; return {"__default__":pipeline([node(f,"a",c.x,name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "own setitem",
    `class C:
    v=""
    def __setitem__(s,k,v): s.v=k+v
def register_pipelines():
    c=C(); c["x"]="q"; return {"__default__":pipeline([node(f,"a",c.v,name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "class constant changed",
    `class C:
    v="q"
class D(C): pass
def register_pipelines():
    C.v="z"; return {"__default__":pipeline([node(f,"a",D().v,name="n")])}`,
    ["n: a -> z"],
  ],
  [
    "pipeline first name",
    `def register_pipelines():
    try:
        p=pipeline(pipe=[node(f,"a","b",name="n")])
    except TypeError:
        p=pipeline([node(f,"a","c",name="n")])
    return {"__default__":p}`,
    ["n: a -> c"],
  ],
  [
    "llm context node",
    `from kedro.pipeline.llm_context import llm_context_node, tool, LLMContextNode
def register_pipelines():
    return {"__default__":pipeline([llm_context_node(outputs="ctx",llm="llm",prompts=["p1","p2"],tools=[tool(f,"db","params:k"),tool(g,"p1")],name="c",tags="t")])}`,
    ["c: llm,p1,p2,db,params:k -> ctx#t"],
  ],
  [
    "llm context node without name",
    `from kedro.pipeline.llm_context import llm_context_node, tool, LLMContextNode
def register_pipelines():
    return {"__default__":pipeline([LLMContextNode(outputs="ctx",llm="gpt",prompts=["p1"]), llm_context_node(outputs=["a"],llm="gpt",prompts=[])],namespace="ns",inputs={"gpt"})}`,
    ["ns.construct_context__7c83dfc3: gpt,ns.p1 -> ns.ctx", "ns.construct_context__d92ddaa4: gpt -> ns.a"],
  ],
  [
    "llm context node positional",
    `from kedro.pipeline.llm_context import llm_context_node, tool, LLMContextNode
def register_pipelines():
    return {"__default__":pipeline([llm_context_node("ctx",llm="gpt",prompts=["p1"])])}`,
    "PY_RAISED",
  ],
  [
    "llm context node lacks",
    `from kedro.pipeline.llm_context import llm_context_node, tool, LLMContextNode
def register_pipelines():
    return {"__default__":pipeline([llm_context_node(outputs="ctx",llm="gpt")])}`,
    "PY_RAISED",
  ],
];

describe("pipeline code", () => {
  test.each(ROWS)("%s", (_name, code, expected) => {
    expect(read(code)).toEqual(expected as string[]);
  });
});
