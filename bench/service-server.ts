// The service with the one key of its demo.

import { createDemo } from "../src/embedded/demo.ts";
import { serve } from "./service.ts";

await serve(async (app, { administrator, accountId }) => [
  await createDemo(app, administrator, accountId),
]);
