"""What TaskFlow is measured against: the same API, written as its users would otherwise write it.

Each is one file, run by uvicorn on one worker (Fastify: by Node.js), and told by the environment where its database is
(DATABASE_URL) and how tokens are signed (BETTER_AUTH_SECRET).
"""
