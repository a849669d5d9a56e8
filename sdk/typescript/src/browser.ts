export * from "./api.ts";
export { Client, type ClientOptions } from "./browser/client.ts";
