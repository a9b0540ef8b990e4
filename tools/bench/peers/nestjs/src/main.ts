// Benchmark peer: tenantry's GET /v1/members with NestJS, Fastify and node-postgres. See docs/performance.md.
import cluster from 'node:cluster';
import { join } from 'node:path';

// Workers exit when this process ends: node closes the channel between them.
cluster.setupPrimary({ exec: join(import.meta.dirname, 'worker.js') });
cluster.on('exit', () => process.exit(1));
for (let worker = 0; worker < Number(process.env.HTTP_WORKERS); worker++) {
  cluster.fork({ NODE_ENV: 'production' });
}
