import {
  BadRequestException,
  type CanActivate,
  type ExecutionContext,
  Injectable,
  NotFoundException,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { isUUID } from 'class-validator';
import { Pool } from 'pg';

export const RequirePermission = Reflector.createDecorator<string>();

// A deny takes precedence, and without a policy nothing is allowed.
const CHECK = `
  SELECT coalesce((
    SELECT bool_and(p.effect = 'allow')
    FROM policies AS p
    WHERE p.tenant_id = $2 AND (p.role_id IS NULL OR p.role_id = m.role_id)
      AND p.resource IN ('*', $3) AND p.verbs && ARRAY['*', $4]
  ), false) AS allowed
  FROM users AS u
  JOIN memberships AS m ON m.user_id = u.id
  JOIN tenants AS t ON t.id = m.tenant_id
  WHERE u.id = $1 AND u.deactivated_at IS NULL AND t.id = $2 AND t.status = 'active'`;

@Injectable()
export class PermissionsGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly pool: Pool,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest();
    const tenantId = request.headers['x-tenant-id'];
    if (!isUUID(tenantId, 'loose')) {
      throw new BadRequestException();
    }
    const [resource, verb] = this.reflector.get(RequirePermission, context.getHandler()).split(':');
    const { rows } = await this.pool.query<{ allowed: boolean }>({
      name: 'check',
      text: CHECK,
      values: [request.user.sub, tenantId, resource, verb],
    });
    if (rows.length === 0) {
      throw new NotFoundException();
    }
    return rows[0].allowed;
  }
}
