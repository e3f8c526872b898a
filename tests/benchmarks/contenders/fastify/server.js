// Fastify and pg, as a Next.js team might write the same API instead: bodies validated, tokens verified, ten connections.
import Fastify from "fastify";
import { createVerifier } from "fast-jwt";
import pg from "pg";

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10, min: 10 });
pg.types.setTypeParser(pg.types.builtins.INT8, Number);
const verify = createVerifier({ key: process.env.BETTER_AUTH_SECRET, algorithms: ["HS256"], requiredClaims: ["exp", "sub"] });
const app = Fastify({ logger: false });

const columns = "id, user_id, title, description, is_completed, created_at, updated_at";
const task = {
  type: "object",
  properties: {
    id: { type: "integer" },
    user_id: { type: "string" },
    title: { type: "string" },
    description: { type: "string", nullable: true },
    is_completed: { type: "boolean" },
    created_at: { type: "string", format: "date-time" },
    updated_at: { type: "string", format: "date-time" },
  },
};
const text = { type: "string", nullable: true };
const title = { type: "string", minLength: 1, maxLength: 200 };
const params = { type: "object", properties: { user_id: { type: "string" }, task_id: { type: "integer", minimum: 1 } } };

// What is wrong with a body is 422, as in the contract.
app.setErrorHandler((error, request, reply) =>
  reply.code(error.validation ? 422 : (error.statusCode ?? 500)).send({ detail: error.message }));

app.addHook("onRequest", async (request, reply) => {
  let claims;
  try {
    claims = verify((request.headers.authorization ?? "").slice(7));
  } catch {
    return reply.code(401).send({ detail: "Invalid token" });
  }
  if (claims.sub !== request.params.user_id) return reply.code(403).send({ detail: "Not your tasks" });
});

// A statement with a name is prepared once a connection.
const query = async (name, text, values) => (await pool.query({ name, text, values })).rows;

const explain = async (reply, id) => {
  const rows = await query("owner", "SELECT user_id FROM tasks WHERE id = $1", [id]);
  return rows.length ? reply.code(403).send({ detail: "Not your task" }) : reply.code(404).send({ detail: "No such task" });
};

app.get("/api/:user_id/tasks", { schema: { params, response: { 200: { type: "array", items: task } } } }, (request) =>
  query("list", `SELECT ${columns} FROM tasks WHERE user_id = $1 ORDER BY id`, [request.params.user_id]));

app.post("/api/:user_id/tasks", {
  schema: {
    params,
    body: { type: "object", required: ["title"], additionalProperties: false, properties: { title, description: text } },
    response: { 201: task },
  },
}, async (request, reply) => {
  const { title, description = null } = request.body;
  const rows = await query("create",
    `INSERT INTO tasks (user_id, title, description) VALUES ($1, $2, $3) RETURNING ${columns}`,
    [request.params.user_id, title, description]);
  return reply.code(201).send(rows[0]);
});

app.get("/api/:user_id/tasks/:task_id", { schema: { params, response: { 200: task } } }, async (request, reply) => {
  const { user_id, task_id } = request.params;
  const rows = await query("get", `SELECT ${columns} FROM tasks WHERE id = $1 AND user_id = $2`, [task_id, user_id]);
  return rows[0] ?? explain(reply, task_id);
});

app.patch("/api/:user_id/tasks/:task_id", {
  schema: {
    params,
    body: {
      type: "object",
      additionalProperties: false,
      properties: { title, description: text, is_completed: { type: "boolean" } },
    },
    response: { 200: task },
  },
}, async (request, reply) => {
  const { user_id, task_id } = request.params;
  const names = Object.keys(request.body);
  const assignments = names.map((name, index) => `${name} = $${index + 3}, `).join("");
  const rows = await query(`update ${names}`,
    `UPDATE tasks SET ${assignments}updated_at = now() WHERE id = $1 AND user_id = $2 RETURNING ${columns}`,
    [task_id, user_id, ...Object.values(request.body)]);
  return rows[0] ?? explain(reply, task_id);
});

app.delete("/api/:user_id/tasks/:task_id", { schema: { params } }, async (request, reply) => {
  const { user_id, task_id } = request.params;
  const rows = await query("delete", "DELETE FROM tasks WHERE id = $1 AND user_id = $2 RETURNING id", [task_id, user_id]);
  return rows.length ? reply.code(204).send() : explain(reply, task_id);
});

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
