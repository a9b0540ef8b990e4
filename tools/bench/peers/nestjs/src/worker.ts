import { ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';

const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), {
  logger: ['fatal', 'error', 'warn'],
});
app.useGlobalPipes(new ValidationPipe({ transform: true }));
await app.listen(Number(process.env.HTTP_PORT), '127.0.0.1');
