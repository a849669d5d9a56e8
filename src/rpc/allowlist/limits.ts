/** More than this in one list would make every call of its callers slow. */
export const maxAllowlistEntries = 100;
