/** Whether what is given covers a permission; `*` stands for everything. */
export function has(given: ReadonlySet<string>, permission: string): boolean {
  return given.has("*") || given.has(permission);
}

/**
 * What a key may do: what its service account may, and the key too.
 * @param limit null where the key has no limit of its own
 */
export function effective(given: readonly string[], limit: readonly string[] | null): string[] {
  if (limit === null || limit.includes("*")) return [...given];
  const all = new Set(given);
  return limit.filter((permission) => has(all, permission));
}
