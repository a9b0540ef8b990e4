import { Injectable } from '@nestjs/common';
import { Pool } from 'pg';

interface Row {
  user_id: string;
  email: string;
  display_name: string;
  deactivated_at: Date | null;
  role_id: string;
  role: string;
  created_at: Date;
}

interface Member {
  id: string;
  email: string;
  display_name: string;
  role: { id: string; name: string };
  member_since: Date;
  active: boolean;
}

export interface Page {
  members: Member[];
  next_cursor?: string;
}

const LIST = `
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
  ORDER BY m.user_id`;

@Injectable()
export class MembersService {
  constructor(private readonly pool: Pool) {}

  async list(tenantId: string, cursor: string | undefined, limit: number): Promise<Page> {
    const { rows } = await this.pool.query<Row>({ name: 'list', text: LIST, values: [tenantId, cursor, limit + 1] });
    const members = rows.slice(0, limit).map((row) => ({
      id: row.user_id,
      email: row.email,
      display_name: row.display_name,
      role: { id: row.role_id, name: row.role },
      member_since: row.created_at,
      active: row.deactivated_at === null,
    }));
    return { members, next_cursor: rows.length > limit ? members.at(-1)?.id : undefined };
  }
}
