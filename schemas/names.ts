/**
 * Names and short texts that Kubernetes checks by their form, as schemas whose messages follow "must be". A name that
 * breaks its rule is refused by the API server, or waits for ever for something that cannot exist.
 *
 * Source: Kubernetes 1.21 `apimachinery/pkg/util/validation`, `pkg/apis/core/validation`; image names:
 * distribution/reference 2.7, which container runtimes read them with.
 */
import * as v from "valibot";

/** A float keeps what tells it from an int, as in Python: 1.0 is no 1. */
export const text = v.pipe(
  v.union([v.string(), v.bigint(), v.number(), v.boolean()], "text"),
  v.transform((value) => (Number.isInteger(value) && Math.abs(value as number) < 1e16 ? `${value}.0` : String(value))),
);
export const name = v.pipe(v.string("text"), v.minLength(1, "text"));

const LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const WORD = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** Names of objects: secrets, claims, service accounts, classes. */
export const objectName = v.pipe(
  v.string("text"),
  v.regex(SUBDOMAIN, "the name of a Kubernetes object: small letters, digits, dashes and full stops"),
  v.maxLength(253, "the name of a Kubernetes object: at most 253 characters"),
);

/** Keys of labels and taints: `name` or `domain/name`. */
export const labelKey = v.pipe(
  v.string("text"),
  v.check(isQualified, "the key of a label, such as pool or example.com/pool"),
);

/** Values of labels and taints; may be empty. */
export const labelValue = v.pipe(
  text,
  v.check(
    (value) => value === "" || (WORD.test(value) && value.length <= 63),
    "the value of a label: at most 63 letters, digits, dashes, underscores and full stops",
  ),
);

/** The name of a key in a secret or config map. */
export const dataKey = v.pipe(
  v.string("text"),
  v.regex(
    /^[-._A-Za-z0-9]{1,253}$/,
    "a key of a secret or config map: letters, digits, dashes, underscores, full stops",
  ),
  v.check((value) => value !== "." && !value.startsWith(".."), "a key of a secret or config map"),
);

/** A path inside a volume. */
export const innerPath = v.pipe(
  name,
  v.check((path) => !path.startsWith("/") && !path.split("/").includes(".."), "a path inside the volume, without .."),
);

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const HOST = "(?:[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?)(?:\\.[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?)*(?::[0-9]+)?";
const IMAGE = new RegExp(
  `^(?:(?:${HOST}|\\[[0-9A-Fa-f:]+\\](?::[0-9]+)?)/)?${COMPONENT}(?:/${COMPONENT})*(?::[\\w][\\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,})?$`,
);

/** An image with its registry, tag and digest; empty text stands for none. */
export const imageName = v.pipe(
  text,
  v.check(
    (value) => value === "" || IMAGE.test(value),
    "the name of an image, such as registry.example.com/team/shop:1.2, the part after the registry in small letters",
  ),
);

/** What can be asked for: what Kubernetes has itself, or what a device plugin offers. */
export function isResourceName(key: string): boolean {
  if (!key.includes("/")) return ["cpu", "memory", "ephemeral-storage"].includes(key) || /^hugepages-./.test(key);
  return isQualified(key) && !key.startsWith("requests.");
}

/** Devices and huge pages are counted, not divided. */
export function isCounted(key: string): boolean {
  return key.startsWith("hugepages-") || (key.includes("/") && !key.includes("kubernetes.io/"));
}

// --- internal ---

function isQualified(key: string): boolean {
  const parts = key.split("/");
  const own = parts.at(-1) ?? "";
  const [domain] = parts;
  if (parts.length > 2 || !WORD.test(own) || own.length > 63) return false;
  return parts.length === 1 || (domain !== undefined && domain.length <= 253 && SUBDOMAIN.test(domain));
}
