/**
 * Values → text, as Python writes them: `str()` (`repr()` is in repr.ts), format specifications, `%` and `str.format`. What is not
 * written here, or prints an address in Python, gives an unknown instead of a text.
 */
import { specialMethod } from "./lineage.ts";
import { getItem } from "./items.ts";
import { reprOf } from "./repr.ts";
import {
  derive,
  deepUnknown,
  isObj,
  typeName,
  unknown,
  type Instance,
  type Site,
  type Unknown,
  type Value,
} from "./value.ts";
import { raise } from "./vm.ts";
import { encodeFloat } from "../config/plain.ts";

/** `str(value)`. */
export function textOf(value: Value, site: Site): string | Unknown {
  if (typeof value === "string") return value;
  const bad = deepUnknown(value);
  if (bad) return derive(bad, site);
  if (isObj(value)) {
    if (value.kind === "instance") {
      const own = specialMethod(value, ["__str__", "__repr__"]);
      if (own) return derive(own, site);
      if (value.cls.isEnum) return enumText(value, site);
      if (value.plain !== undefined) return textOf(value.plain, site);
      if (value.cls.isException) {
        const args = value.attributes.get("args");
        if (isObj(args ?? null) && (args as { kind: string }).kind === "tuple") {
          const items = (args as { items: readonly Value[] }).items;
          if (value.cls.attributes.has("__init__") || value.cls.attributes.has("__str__"))
            return unknown(`the text of a "${value.cls.name}" is not followed`, site);
          if (items.length === 1 && value.cls.name === "KeyError")
            return reprOf(items[0] ?? null) ?? unknown("the text of a KeyError is not followed", site);
          if (items.length === 1) return textOf(items[0] ?? null, site);
          if (items.length === 0) return "";
        }
      }
      return unknown(`the text of a "${value.cls.name}" is not followed`, site);
    }
    if (value.kind === "custom") {
      const text = value.text?.();
      return text ?? unknown(`the text of a ${value.type} is not followed`, site);
    }
  }
  return reprOf(value) ?? unknown(`the text of a ${typeName(value)} differs between runs, or is not followed`, site);
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([bcdeEfFgGnosxX%])?$/su;

/** `format(value, spec)`. */
export function formatSpec(value: Value, spec: string, site: Site): string | Unknown {
  const bad = deepUnknown(value);
  if (bad) return derive(bad, site);
  if (isObj(value) && value.kind === "instance") {
    const own = specialMethod(value, ["__format__", "__str__", "__repr__"]);
    if (own) return derive(own, site);
    if (value.cls.enumKind === "plain") return formatSpec(textOf(value, site), spec, site);
    if (value.cls.enumKind === "IntEnum" || value.cls.enumKind === "StrEnum")
      return formatSpec(value.plain ?? null, spec, site);
    if (value.cls.isEnum) return changedText(value, site);
  }
  const plain = isObj(value) && value.kind === "instance" && value.plain !== undefined ? value.plain : value;
  if (spec === "") return textOf(value, site);
  const match = SPEC.exec(spec);
  if (!match) return unknown(`the format "${spec}" is not followed`, site);
  const [, fill = match[5] === "0" ? "0" : " ", align, sign = "-", alternate, , width = "0", group, precision, type] =
    match;
  if (typeof plain === "string") {
    if (align === "=" || sign !== "-" || group !== undefined || alternate)
      return unknown(`the format "${spec}" is not followed`, site);
    if (type !== undefined && type !== "s")
      throw raise("ValueError", `Unknown format code '${type}' for object of type 'str'`, site);
    const text = precision === undefined ? plain : [...plain].slice(0, Number(precision)).join("");
    return pad(text, Number(width), fill, align ?? "<");
  }
  if (typeof plain !== "bigint" && typeof plain !== "number" && typeof plain !== "boolean") {
    return unknown(`the format of a ${typeName(plain)} is not followed`, site);
  }
  const isWhole = typeof plain !== "number" && (type === undefined || "bdoxX".includes(type));
  if (
    (isWhole && precision !== undefined) ||
    (group !== undefined && (match[5] === "0" || (align === "=" && fill === "0")))
  )
    return unknown(`the format "${spec}" is not followed`, site);
  if (group !== undefined && type !== undefined && "boxX".includes(type))
    return unknown(`the format "${spec}" is not followed`, site);
  if (type === "c" || type === "n") return unknown(`the format "${spec}" is not followed`, site);
  const negative = (typeof plain !== "boolean" && plain < 0) || Object.is(plain, -0);
  const magnitude =
    typeof plain === "boolean"
      ? BigInt(plain)
      : typeof plain === "bigint"
        ? negative
          ? -plain
          : plain
        : Math.abs(plain);
  let body: string;
  if (typeof magnitude === "bigint" && (type === undefined || "bdoxX".includes(type))) {
    const base = type === "b" ? 2 : type === "o" ? 8 : type === "x" || type === "X" ? 16 : 10;
    body = magnitude.toString(base);
    if (alternate && type !== undefined && type !== "d") body = `0${type.toLowerCase()}${body}`;
    if (type === "X") body = body.toUpperCase();
  } else {
    const number = Number(magnitude);
    if (!Number.isFinite(number)) return unknown("the format of an infinite number is not followed", site);
    const digits = Number(precision ?? 6);
    switch (type) {
      case "f":
      case "F":
        body = fixed(number, digits);
        break;
      case "%":
        body = `${fixed(number * 100, digits)}%`;
        break;
      case "e":
      case "E":
        if (digits > 15) return unknown(`the format "${spec}" is not followed`, site);
        body = number.toExponential(digits).replace(/e([-+])(\d)$/, "e$10$2");
        if (type === "E") body = body.toUpperCase();
        break;
      case undefined:
        if (precision === undefined) {
          body = encodeFloat(number);
          break;
        }
        return unknown(`the format "${spec}" is not followed`, site);
      default:
        return unknown(`the format "${spec}" is not followed`, site);
    }
  }
  if (group !== undefined) body = body.replace(/^\d+/, (digits) => digits.replaceAll(/\B(?=(?:\d{3})+$)/g, group));
  const mark = negative ? "-" : sign === "-" ? "" : sign;
  if ((align ?? (match[5] ? "=" : ">")) === "=") return mark + pad(body, Number(width) - mark.length, fill, ">");
  return pad(mark + body, Number(width), fill, align ?? ">");
}

/** `text % args`. */
export function formatPercent(text: string, args: Value, site: Site): Value {
  const tupleItems = isObj(args) && args.kind === "tuple" ? args.items : [args];
  let next = 0;
  let doubt: Unknown | undefined;
  const out = text.replaceAll(
    /%(?:\(([^)]*)\))?([-+ #0]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g,
    (whole, key?: string, flags = "", width = "", precision?: string, type = "s") => {
      if (type === "%") return "%";
      if (
        /[ #]/.test(flags) ||
        "ca".includes(type) ||
        (precision !== undefined && "dioxX".includes(type)) ||
        (flags.includes("0") && "sr".includes(type))
      ) {
        doubt ??= unknown(`the format "${whole}" is not followed`, site);
        return "";
      }
      const value = key === undefined ? tupleItems[next++] : getItem(args, key, site);
      if (value === undefined) throw raise("TypeError", "not enough arguments for format string", site);
      const bad = deepUnknown(value);
      if (bad) {
        doubt ??= derive(bad, site);
        return "";
      }
      const align = flags.includes("-") ? "<" : type === "s" || type === "r" ? ">" : flags.includes("0") ? "" : ">";
      const spec = `${align}${flags.includes("+") ? "+" : ""}${flags.includes("0") && !flags.includes("-") ? "0" : ""}${width}${precision === undefined ? "" : `.${precision}`}`;
      const shown =
        type === "s"
          ? textOf(value, site)
          : type === "r"
            ? (reprOf(value) ?? unknown("its repr is not followed", site))
            : value;
      const result =
        isObj(shown) && shown.kind === "unknown"
          ? shown
          : formatSpec(shown, spec + (type === "s" || type === "r" ? "s" : type === "i" ? "d" : type), site);
      if (typeof result === "string") return result;
      doubt ??= result;
      return whole;
    },
  );
  if (!doubt && /%/.test(text.replaceAll(/%(?:\([^)]*\))?[-+ #0]*\d*(?:\.\d+)?[a-zA-Z%]/g, "")))
    return unknown("this % format is not followed", site);
  const isMapping = isObj(args) && args.kind !== "tuple";
  if (!doubt && next < tupleItems.length && !(isMapping && next === 0 && tupleItems.length === 1))
    throw raise("TypeError", "not all arguments converted during string formatting", site);
  return doubt ?? out;
}

/** `text.format(*args, **kwargs)`. */
export function formatBraces(
  text: string,
  positional: readonly Value[],
  keywords: ReadonlyMap<string, Value>,
  site: Site,
  attribute: (value: Value, name: string) => Value,
): Value {
  let out = "";
  let auto = 0;
  for (let at = 0; at < text.length;) {
    const char = text.charAt(at);
    if ((char === "{" || char === "}") && text.charAt(at + 1) === char) {
      out += char;
      at += 2;
      continue;
    }
    if (char === "}") throw raise("ValueError", "Single '}' encountered in format string", site);
    if (char !== "{") {
      out += char;
      at++;
      continue;
    }
    let depth = 1;
    let end = at + 1;
    for (; end < text.length && depth > 0; end++)
      depth += text.charAt(end) === "{" ? 1 : text.charAt(end) === "}" ? -1 : 0;
    if (depth > 0) throw raise("ValueError", "expected '}' before end of string", site);
    const match = /^([^!:]*)(?:!([rsa]))?(?::([\s\S]*))?$/.exec(text.slice(at + 1, end - 1));
    if (!match) return unknown("this format is not followed", site);
    at = end;
    const parts = (match[1] ?? "").split(/(?=[.[])/);
    const head = parts[0] ?? "";
    let value = head === "" ? positional[auto++] : /^\d+$/.test(head) ? positional[Number(head)] : keywords.get(head);
    if (value === undefined) {
      if (/^\d*$/.test(head))
        throw raise("IndexError", "Replacement index out of range for positional args tuple", site);
      throw raise("KeyError", `'${head}'`, site);
    }
    for (const part of parts.slice(1)) {
      if (part.startsWith(".")) value = attribute(value, part.slice(1));
      else {
        const key = part.slice(1, -1);
        value = getItem(value, /^\d+$/.test(key) ? BigInt(key) : key, site);
      }
    }
    if (match[2] === "a") return unknown("ascii() is not followed", site);
    if (/^\d/.test(head) ? auto > 0 : head === "" && /\{\d/.test(text))
      return unknown("a format that counts and numbers its fields is not followed", site);
    if (/\{(?:[!:.[][^}]*)?\}/.test(match[3] ?? "") && /^\d*$/.test(head))
      return unknown("a nested format without a number or name is not followed", site);
    if (match[2] === "r") value = reprOf(value) ?? unknown("its repr is not followed", site);
    let spec: Value = match[3] ?? "";
    if (spec.includes("{")) spec = formatBraces(spec, positional.slice(auto), keywords, site, attribute);
    if (typeof spec !== "string") return spec;
    const result = formatSpec(value, spec, site);
    if (typeof result !== "string") return result;
    out += result;
  }
  return out;
}

// --- internal ---

/** Digits behind the point, halves to even. JavaScript rounds halves up and gives up at 1e21. */
function fixed(number: number, digits: number): string {
  if (number >= 1e21) return BigInt(number).toString() + (digits === 0 ? "" : `.${"0".repeat(digits)}`);
  const text = number.toFixed(Math.min(digits, 100));
  const rest = digits > 60 ? "" : number.toFixed(digits + 40).slice(-40);
  if (!/^50*$/.test(rest)) return text;
  const below = number
    .toFixed(digits + 40)
    .slice(0, -40)
    .replace(/\.$/, "");
  return "02468".includes(below.at(-1) ?? "") ? below : text;
}

/** `str()` of a member: Python 3.11 changed it for the ready-made kinds with a type besides. */
function enumText(value: Instance, site: Site): string | Unknown {
  if (value.cls.enumKind === "StrEnum") return textOf(value.plain ?? null, site);
  if (value.cls.enumKind === "IntEnum") return changedText(value, site);
  return `${value.cls.name}.${String(value.attributes.get("_name_"))}`;
}

function changedText(value: Instance, site: Site): Unknown {
  return unknown(`the text of "${value.cls.name}", an enum of another type, differs between versions of Python`, site);
}

function pad(text: string, width: number, fill: string, align: string): string {
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (align === "<") return text + fill.repeat(missing);
  if (align === "^") return fill.repeat(Math.floor(missing / 2)) + text + fill.repeat(Math.ceil(missing / 2));
  return fill.repeat(missing) + text;
}
