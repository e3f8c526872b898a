import { createServer } from "node:http";
import { env } from "node:process";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { auth } from "./auth";
import { GET as issueToken } from "./bridge";

/** The part of a frontend that knows its users: Better Auth's routes, and the bridge's. */
const answer = toNodeHandler((request) =>
  new URL(request.url).pathname === "/api/token" ? issueToken(request) : auth.handler(request),
);

const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
createServer(answer).listen(Number(env.PORT), "127.0.0.1", () => console.log("ready"));
