// What can be the name of a node: Kubernetes' names and host names. Nothing that is a path, a pattern, or more than a line.

/** Up to 253 letters, digits, ".", "-" and "_", a letter or digit first and last. */
export const NODE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;
