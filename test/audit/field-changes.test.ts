import { expect, test } from "vitest";
import { ApiKeySchema, IssueApiKeyResponseSchema } from "../../gen/pdaas/v1/api_key_service_pb.ts";
import { UserSchema } from "../../gen/pdaas/v1/user_service_pb.ts";
import { fieldChanges } from "../../src/audit/field-changes.ts";

test("a message that has a secret is none that changes can be told of", () => {
  // @ts-expect-error -- The answer of IssueApiKey has the secret key.
  const changes = fieldChanges(IssueApiKeyResponseSchema, undefined, { secretKey: "sk_" });
  expect(changes).toBeDefined();
});

test("of a stored row, only what the contract shows is looked at", () => {
  const row = { id: "key_1", name: "Key", sealed_secret: Buffer.from("secret"), secret_version: 1 };
  expect(fieldChanges(ApiKeySchema, undefined, row)).toEqual([
    { field: "id", before: "", after: '"key_1"', isPersonal: false },
    { field: "name", before: "", after: '"Key"', isPersonal: false },
  ]);
});

test("only what differs is there, and what tells who a person is is marked", () => {
  const before = { id: "usr_1", email: "a@myorg.example", permissions: ["*"], etag: "1" };
  const after = { ...before, email: "b@myorg.example", etag: "2" };
  expect(fieldChanges(UserSchema, before, after)).toEqual([
    {
      field: "email",
      before: '"a@myorg.example"',
      after: '"b@myorg.example"',
      isPersonal: true,
    },
  ]);
});
