/* What reading a table costs at least: one thread steps `select * from T` and touches every value.
 *
 *     step FILE TABLE
 *
 * prints the seconds from opening the file to the last row, and the number of rows. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sqlite3.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void check(int ok, sqlite3 *db) {
    if (!ok) {
        fprintf(stderr, "step: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: step FILE TABLE\n");
        return 2;
    }
    double start = now();
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    check(sqlite3_open_v2(argv[1], &db, flags, NULL) == SQLITE_OK, db);
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", argv[2]);
    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, db);
    sqlite3_free(sql);

    int columns = sqlite3_column_count(statement);
    long long rows = 0;
    /* Summed and printed, so that no read can be optimised away. */
    long long integers = 0, bytes = 0;
    double reals = 0;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        rows++;
        for (int i = 0; i < columns; i++) {
            switch (sqlite3_column_type(statement, i)) {
            case SQLITE_INTEGER:
                integers += sqlite3_column_int64(statement, i);
                break;
            case SQLITE_FLOAT:
                reals += sqlite3_column_double(statement, i);
                break;
            case SQLITE_TEXT: {
                const unsigned char *text = sqlite3_column_text(statement, i);
                int length = sqlite3_column_bytes(statement, i);
                bytes += length + (length ? text[0] : 0);
                break;
            }
            case SQLITE_BLOB: {
                const unsigned char *blob = sqlite3_column_blob(statement, i);
                int length = sqlite3_column_bytes(statement, i);
                bytes += length + (length ? blob[0] : 0);
                break;
            }
            }
        }
    }
    check(code == SQLITE_DONE, db);
    double seconds = now() - start;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    printf("%.6f %lld\n", seconds, rows);
    fprintf(stderr, "%lld %f %lld\n", integers, reals, bytes);
    return 0;
}
