/** Next.js calls this once, when the server starts: Better Auth's tables are made where they are missing. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME === "nodejs") {
    const { getMigrations } = await import("better-auth/db/migration");
    const { auth } = await import("./lib/auth");
    const { runMigrations } = await getMigrations(auth.options);
    await runMigrations();
  }
}
