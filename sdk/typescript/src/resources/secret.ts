/** Something with its secret, which is kept out of logs, where whole objects are printed. */
export function withHiddenSecret<T extends object>(
  shown: T,
  secretKey: string,
): T & { secretKey: string } {
  const whole = { ...shown, secretKey };
  const redacted = () => ({ ...whole, secretKey: "[redacted]" });
  return Object.defineProperties(whole, {
    toJSON: { value: redacted },
    [Symbol.for("nodejs.util.inspect.custom")]: { value: redacted },
  });
}
