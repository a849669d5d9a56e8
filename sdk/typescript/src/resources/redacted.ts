/**
 * An object whose secrets are kept out of logs, where whole objects are printed: `JSON.stringify` and
 * Node's `console.log` show `[redacted]` in their place.
 */
export function redacting<T extends object>(object: T, ...secrets: (keyof T)[]): T {
  const present = secrets.filter((name) => object[name] !== undefined);
  const hidden = Object.fromEntries(present.map((name) => [name, "[redacted]"]));
  const redacted = () => ({ ...object, ...hidden });
  return Object.defineProperties(object, {
    toJSON: { value: redacted },
    [Symbol.for("nodejs.util.inspect.custom")]: { value: redacted },
  });
}
