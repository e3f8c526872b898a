import { jwtClient } from "better-auth/client/plugins";
import { createAuthClient } from "better-auth/react";

export const AUTH_IS_AWAY = "The sign-in service does not answer at the moment.";

export const authClient = createAuthClient({
  plugins: [jwtClient()],
  fetchOptions: { customFetchImpl: fetchOrRefuse },
});

/** Says what went wrong, in words for the user. */
export function describeAuthError({ status, message }: { status: number; message?: string }): string {
  return status < 500 && message ? message : AUTH_IS_AWAY;
}

/** Makes an answer of having none: the client then gives every failure as `error`, and throws nothing. */
async function fetchOrRefuse(...request: Parameters<typeof fetch>): Promise<Response> {
  try {
    return await fetch(...request);
  } catch {
    return new Response(null, { status: 503 });
  }
}
