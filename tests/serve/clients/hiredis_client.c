// SPDX-License-Identifier: Apache-2.0
//
// A C client as people write them: commands, a pipeline, a transaction, errors. Exits with 0 when
// everything was as expected, with the line of the first surprise otherwise.
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                \
  do {                                                   \
    if (!(condition)) {                                  \
      fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
      exit(1);                                           \
    }                                                    \
  } while (0)

static void expect_status(redisReply* reply, const char* text) {
  EXPECT(reply != NULL && reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, text) == 0);
  freeReplyObject(reply);
}

static void expect_integer(redisReply* reply, long long value) {
  EXPECT(reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer == value);
  freeReplyObject(reply);
}

static void expect_bytes(redisReply* reply, const char* bytes, size_t count) {
  EXPECT(reply != NULL && reply->type == REDIS_REPLY_STRING && reply->len == count);
  EXPECT(memcmp(reply->str, bytes, count) == 0);
  freeReplyObject(reply);
}

int main(int argc, char** argv) {
  EXPECT(argc == 2);
  redisContext* c = redisConnect("127.0.0.1", atoi(argv[1]));
  EXPECT(c != NULL && c->err == 0);
  expect_status(redisCommand(c, "SET %s %b", "bytes", "a\0b\r\n", (size_t)5), "OK");
  expect_bytes(redisCommand(c, "GET bytes"), "a\0b\r\n", 5);
  redisReply* missing = redisCommand(c, "GET absent");
  EXPECT(missing != NULL && missing->type == REDIS_REPLY_NIL);
  freeReplyObject(missing);
  redisReply* wrong = redisCommand(c, "INCR bytes");
  EXPECT(wrong != NULL && wrong->type == REDIS_REPLY_ERROR && strncmp(wrong->str, "ERR ", 4) == 0);
  freeReplyObject(wrong);

  for (int i = 0; i < 10000; ++i) EXPECT(redisAppendCommand(c, "INCRBY n %d", 2) == REDIS_OK);
  for (int i = 0; i < 10000; ++i) {
    void* reply = NULL;
    EXPECT(redisGetReply(c, &reply) == REDIS_OK);
    expect_integer(reply, 2 * (i + 1));
  }

  expect_status(redisCommand(c, "MULTI"), "OK");
  expect_status(redisCommand(c, "SET t 1"), "QUEUED");
  expect_status(redisCommand(c, "INCR t"), "QUEUED");
  redisReply* done = redisCommand(c, "EXEC");
  EXPECT(done != NULL && done->type == REDIS_REPLY_ARRAY && done->elements == 2);
  EXPECT(done->element[1]->integer == 2);
  freeReplyObject(done);
  redisFree(c);
  return 0;
}
