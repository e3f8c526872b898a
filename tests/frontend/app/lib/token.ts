import { ApiError } from "./api-error";
import { AUTH_IS_AWAY, authClient } from "./auth-client";
import type { TokenSource } from "./authorized-fetch";

/** How long before its end a token is no longer used, in milliseconds: a request may take a moment to arrive. */
const MARGIN = 5_000;

/**
 * The tokens of one user, who is signed in with Better Auth. A token is in memory as long as it is good, and nowhere
 * else: what a page stores, any script of the page can read. Each user has a source of their own, so that nobody is
 * given the token of whoever was here before.
 */
export function createTokenSource(): TokenSource {
  let token: string | null = null;
  let pending: Promise<string | null> | null = null;

  return async (refused) => {
    if (!refused && token !== null && readExpiry(token) - MARGIN > Date.now()) {
      return token;
    }
    // Requests that start together share one question.
    pending ??= fetchToken().finally(() => {
      pending = null;
    });
    token = await pending;
    return token;
  };
}

async function fetchToken(): Promise<string | null> {
  const { data } = await authClient.token();
  if (data) {
    return data.token;
  }
  // Better Auth says 401 here also when its database is away. Only an answer without a session is the end of it.
  const session = await authClient.getSession();
  if (session.error || session.data) {
    throw new ApiError(AUTH_IS_AWAY, 0, {}, 2);
  }
  return null;
}

function readExpiry(jwt: string): number {
  const payload = jwt.split(".")[1] ?? "";
  const { exp }: { exp: number } = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
  return exp * 1000;
}
