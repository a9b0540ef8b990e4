"""Benchmark peer: tenantry's GET /v1/members with FastAPI and asyncpg. See docs/performance.md."""

import os

import uvicorn

if __name__ == "__main__":
    uvicorn.run(
        "app:app",
        host="127.0.0.1",
        port=int(os.environ["HTTP_PORT"]),
        workers=int(os.environ["HTTP_WORKERS"]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        # Otherwise idle connections would be closed while the other programs are measured.
        timeout_keep_alive=75,
    )
