import { Controller, Get, Headers, Query, UseGuards } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsUUID, Max, Min } from 'class-validator';
import { AuthGuard } from './auth.guard.js';
import { MembersService, type Page } from './members.service.js';
import { PermissionsGuard, RequirePermission } from './permissions.guard.js';

class ListQuery {
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  limit: number = 50;

  @IsOptional()
  @IsUUID('loose')
  cursor?: string;
}

@Controller('v1/members')
@UseGuards(AuthGuard, PermissionsGuard)
export class MembersController {
  constructor(private readonly members: MembersService) {}

  @Get()
  @RequirePermission('user:read')
  list(@Headers('x-tenant-id') tenantId: string, @Query() query: ListQuery): Promise<Page> {
    return this.members.list(tenantId, query.cursor, query.limit);
  }
}
