import { env } from "node:process";

/** The secret that Better Auth and TaskFlow share: its text as it is, also where it looks like hexadecimal digits. */
export const secret = new TextEncoder().encode(env.BETTER_AUTH_SECRET);
