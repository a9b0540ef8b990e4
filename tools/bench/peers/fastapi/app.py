"""The application that each worker of main.py serves."""

import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg
import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

JWT_SECRET = os.environ["JWT_SECRET"]

# A deny takes precedence, and without a policy nothing is allowed.
CHECK = """
    SELECT coalesce((
      SELECT bool_and(p.effect = 'allow')
      FROM policies AS p
      WHERE p.tenant_id = $2 AND (p.role_id IS NULL OR p.role_id = m.role_id)
        AND p.resource IN ('*', $3) AND p.verbs && ARRAY['*', $4]
    ), false) AS allowed
    FROM users AS u
    JOIN memberships AS m ON m.user_id = u.id
    JOIN tenants AS t ON t.id = m.tenant_id
    WHERE u.id = $1 AND u.deactivated_at IS NULL AND t.id = $2 AND t.status = 'active'"""

LIST = """
    SELECT m.user_id, u.email, u.display_name, u.deactivated_at, m.role_id, r.name AS role, m.created_at
    FROM (
      SELECT m.user_id, m.role_id, m.created_at
      FROM memberships AS m
      WHERE m.tenant_id = $1 AND m.user_id > coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid)
      ORDER BY m.user_id
      LIMIT $3
    ) AS m
    JOIN roles AS r ON r.tenant_id = $1 AND r.id = m.role_id
    JOIN users AS u ON u.id = m.user_id
    ORDER BY m.user_id"""


class Role(BaseModel):
    id: UUID
    name: str


class Member(BaseModel):
    id: UUID
    email: str
    display_name: str
    role: Role
    member_since: datetime
    active: bool


class Page(BaseModel):
    members: list[Member]
    next_cursor: UUID | None = None


def exit_with_parent() -> None:
    """uvicorn's workers would otherwise survive when the main process is killed."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGKILL)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    if multiprocessing.parent_process():
        threading.Thread(target=exit_with_parent, daemon=True).start()
    url = os.environ["DATABASE_URL"]
    # The parameter `host` can name a socket directory. asyncpg would ignore it if the URL also has a host.
    host = parse_qs(urlsplit(url).query).get("host", [None])[0]
    size = int(os.environ["DB_POOL_SIZE"]) // int(os.environ["HTTP_WORKERS"])
    async with asyncpg.create_pool(url, host=host, min_size=size, max_size=size) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


async def current_user(token: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> UUID:
    try:
        claims = jwt.decode(token.credentials, JWT_SECRET, algorithms=["HS256"], options={"require": ["exp", "sub"]})
        return UUID(claims["sub"])
    except (jwt.InvalidTokenError, ValueError):
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})


async def connection(request: Request) -> AsyncIterator[asyncpg.Connection]:
    async with request.app.state.pool.acquire() as connection:
        yield connection


Connection = Annotated[asyncpg.Connection, Depends(connection)]


class RequirePermission:
    """Checks that the user has the permission in the tenant. Returns the tenant's id."""

    def __init__(self, permission: str) -> None:
        self.resource, self.verb = permission.split(":")

    async def __call__(
        self,
        user_id: Annotated[UUID, Depends(current_user)],
        x_tenant_id: Annotated[UUID, Header()],
        connection: Connection,
    ) -> UUID:
        allowed = await connection.fetchval(CHECK, user_id, x_tenant_id, self.resource, self.verb)
        if allowed is None:
            raise HTTPException(404)
        if not allowed:
            raise HTTPException(403)
        return x_tenant_id


@app.get("/v1/members", response_model_exclude_none=True)
async def list_members(
    tenant_id: Annotated[UUID, Depends(RequirePermission("user:read"))],
    connection: Connection,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: UUID | None = None,
) -> Page:
    rows = await connection.fetch(LIST, tenant_id, cursor, limit + 1)
    members = [
        Member(
            id=row["user_id"],
            email=row["email"],
            display_name=row["display_name"],
            role=Role(id=row["role_id"], name=row["role"]),
            member_since=row["created_at"],
            active=row["deactivated_at"] is None,
        )
        for row in rows[:limit]
    ]
    return Page(members=members, next_cursor=members[-1].id if len(rows) > limit else None)
