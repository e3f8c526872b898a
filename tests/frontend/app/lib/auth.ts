import { betterAuth } from "better-auth";
import { jwt } from "better-auth/plugins/jwt";
import { Pool } from "pg";

const database = new Pool({ connectionString: process.env.DATABASE_URL });
// A database that restarts ends idle connections; without a listener that would end the process too.
database.on("error", (error) => console.error("a connection to the database was lost:", error.message));

export const auth = betterAuth({
  baseURL: process.env.BETTER_AUTH_URL,
  secret: process.env.BETTER_AUTH_SECRET,
  database,
  emailAndPassword: { enabled: true },
  plugins: [jwt({ jwt: { expirationTime: process.env.TOKEN_LIFE ?? "15m" } })],
});
