export { redisFleet, type RedisFleet, type RedisFleetConfig } from './redis/redis-fleet';
export type { GlideLike, IORedisLike, NodeRedisLike, RedisClient } from './redis/redis-client';
