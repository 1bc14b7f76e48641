/* Runs commands and measures each:   measure AT_ONCE LOG <COMMANDS
 * COMMANDS: arguments that each end in a zero byte, an empty one after the last of a command. What they print goes to LOG. AT_ONCE of
 * them run at a time. Prints a line per command, in the order in which they ended,
 *     number  status (as of wait)  seconds of wall time, user, system  peak resident memory in KiB
 * and a last one, `total` and the seconds of wall time of all. Exit status 0 unless this program itself failed.
 * Why not bench.py itself: a process counts the memory of the one that started it as its own peak until it has more, and Python
 * takes 15 MB. This takes one. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void die(const char *what, int error)
{
    fprintf(stderr, "measure: %s: %s\n", what, strerror(error));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

static void *grow(void *old, size_t bytes)
{
    void *new = realloc(old, bytes);
    if (!new)
        die("memory", errno);
    return new;
}

int main(int argc, char **argv)
{
    if (argc != 3 || atoi(argv[1]) < 1) {
        fprintf(stderr, "usage: measure AT_ONCE LOG <COMMANDS\n");
        return 2;
    }
    int at_once = atoi(argv[1]);

    char *text = NULL;
    size_t length = 0, room = 0;
    for (;;) {
        if (length == room)
            text = grow(text, room = 2 * room + 65536);
        ssize_t got = read(0, text + length, room - length);
        if (got < 0)
            die("standard input", errno);
        if (got == 0)
            break;
        length += got;
    }
    if (length < 2 || text[length - 1] || text[length - 2]) {
        fprintf(stderr, "measure: the commands are cut short\n");
        return 2;
    }

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, argv[2], O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&files, 1, 2);

    struct { pid_t pid; int number; double began; } *running = grow(NULL, at_once * sizeof *running);
    int count = 0, started = 0;
    char **arguments = NULL, *at = text, *end = text + length;
    double began = now();
    while (at < end || count) {
        if (at < end && count < at_once) {
            size_t n = 0, places = 0;
            for (; *at; at += strlen(at) + 1) {
                if (n + 1 >= places)
                    arguments = grow(arguments, (places = 2 * places + 64) * sizeof *arguments);
                arguments[n++] = at;
            }
            at++;
            if (!n) {
                fprintf(stderr, "measure: an empty command\n");
                return 2;
            }
            arguments[n] = NULL;
            running[count].number = started++;
            running[count].began = now();
            int error = posix_spawn(&running[count].pid, arguments[0], &files, NULL, arguments, environ);
            if (error)
                die(arguments[0], error);
            count++;
            continue;
        }
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, 0, &usage);
        double ended = now();
        if (pid < 0)
            die("wait4", errno);
        for (int i = 0; i < count; i++) {
            if (running[i].pid != pid)
                continue;
            printf("%d %d %.6f %.6f %.6f %ld\n", running[i].number, status, ended - running[i].began, seconds(usage.ru_utime),
                   seconds(usage.ru_stime), usage.ru_maxrss);
            running[i] = running[--count];
            break;
        }
    }
    printf("total %.6f\n", now() - began);
    return 0;
}
