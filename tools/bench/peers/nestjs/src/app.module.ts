import { createSecretKey } from 'node:crypto';
import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { Pool } from 'pg';
import { MembersController } from './members.controller.js';
import { MembersService } from './members.service.js';

@Module({
  imports: [
    JwtModule.register({
      // With a string, jsonwebtoken would first try to parse it as a public key, for each token.
      secret: createSecretKey(process.env.JWT_SECRET!, 'utf8'),
      verifyOptions: { algorithms: ['HS256'] },
    }),
  ],
  controllers: [MembersController],
  providers: [
    MembersService,
    {
      provide: Pool,
      useFactory: () =>
        new Pool({
          connectionString: process.env.DATABASE_URL,
          max: Math.floor(Number(process.env.DB_POOL_SIZE) / Number(process.env.HTTP_WORKERS)),
          // Otherwise connections would be closed while the other programs are measured.
          idleTimeoutMillis: 0,
        }),
    },
  ],
})
export class AppModule {}
