/**
 * Which hosts are never public, and where a credential may therefore go without TLS: what requests to a server, requests
 * for a login and requests of hooks have in common.
 */

/** True for names and addresses that only this machine or this cluster can mean; `.kubeflow` is no public domain. */
export function isPrivateHost(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|0\.0\.0\.0|\[::1\]|host\.docker\.internal|[^.:[\]]+|[^.:[\]]+\.kubeflow|.*\.(localhost|svc|svc\.cluster\.local))$/i.test(
    host,
  );
}

/** True for an address to which a credential may go without TLS. */
export function mayBePlain(url: URL): boolean {
  return (
    url.hostname === "metadata.google.internal" || url.hostname === "169.254.169.254" || isPrivateHost(url.hostname)
  );
}
