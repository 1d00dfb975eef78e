/* CPUs this process may use (cpus.h).
 *
 * In a container the affinity mask usually shows all CPUs of the machine while a cgroup grants the time of two. Workers
 * beyond the quota would only wait for each other, throttled in the middle of a morsel. */
#include "cpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#endif

enum { PATH_SIZE = 4096 };

static int affinity(void)
{
#if defined(__linux__)
    /* The kernel refuses a mask smaller than its own, so ask with larger ones. */
    for (int cpus = 1024; cpus <= 1 << 16; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (set == NULL) {
            break;
        }
        size_t size = CPU_ALLOC_SIZE(cpus);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0) {
            return count;
        }
    }
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

/* ---- quotas ---- */

static int in_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) {
        return 0; /* -1 is "no limit" */
    }
    long long cpus = quota / period + (quota % period != 0);
    return cpus > 1 << 16 ? 0 : (int)cpus;
}

static FILE *open_in(const char *folder, const char *name)
{
    char path[PATH_SIZE];
    int size = snprintf(path, sizeof(path), "%s/%s", folder, name);
    return size > 0 && size < (int)sizeof(path) ? fopen(path, "r") : NULL;
}

static long long read_number(const char *folder, const char *name)
{
    long long value = -1;
    FILE *file = open_in(folder, name);
    if (file != NULL) {
        if (fscanf(file, "%lld", &value) != 1) {
            value = -1;
        }
        fclose(file);
    }
    return value;
}

/* v2 writes "quota period" or "max period" into one file. */
static int quota_v2(const char *folder)
{
    long long quota = -1;
    long long period = -1;
    FILE *file = open_in(folder, "cpu.max");
    if (file != NULL) {
        if (fscanf(file, "%lld %lld", &quota, &period) != 2) {
            quota = -1;
        }
        fclose(file);
    }
    return in_cpus(quota, period);
}

static int quota_v1(const char *folder)
{
    return in_cpus(read_number(folder, "cpu.cfs_quota_us"), read_number(folder, "cpu.cfs_period_us"));
}

static int tighter(int a, int b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The tightest quota from the group at root + path up to root itself. Inside a container, path may name a folder of the
 * host that is not mounted here; the walk then finds what is. */
static int walk_up(const char *root, const char *path, int (*quota_in)(const char *))
{
    char folder[PATH_SIZE];
    int size = snprintf(folder, sizeof(folder), "%s%s", root, path);
    if (size < 0 || size >= (int)sizeof(folder)) {
        return 0;
    }
    size_t shortest = strlen(root);
    int tightest = 0;
    for (;;) {
        tightest = tighter(tightest, quota_in(folder));
        char *slash = strrchr(folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < shortest) {
            return tightest;
        }
        *slash = '\0';
    }
}

/* Is `cpu` one of the comma-separated controllers? */
static int names_cpu(const char *controllers, size_t size)
{
    for (const char *at = controllers, *end = controllers + size; at < end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t length = (size_t)((comma != NULL ? comma : end) - at);
        if (length == 3 && memcmp(at, "cpu", 3) == 0) {
            return 1;
        }
        at += length + 1;
    }
    return 0;
}

/* A line is "id:controllers:path"; v2's has no controllers. v1 mounts by controller names, with "cpu" a link to it. */
static int quota_of_line(char *line, const char *mount)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *path = controllers == NULL ? NULL : strchr(++controllers, ':');
    if (path == NULL) {
        return 0;
    }
    size_t size = (size_t)(path - controllers);
    path++;
    if (size == 0) {
        return walk_up(mount, path, quota_v2);
    }
    char root[PATH_SIZE];
    int length = snprintf(root, sizeof(root), "%s/cpu", mount);
    if (!names_cpu(controllers, size) || length < 0 || length >= (int)sizeof(root)) {
        return 0;
    }
    return walk_up(root, path, quota_v1);
}

int pf_cpus_quota(const char *proc_cgroup, const char *mount)
{
    FILE *file = fopen(proc_cgroup, "r");
    if (file == NULL) {
        return 0;
    }
    int tightest = 0;
    char line[PATH_SIZE];
    while (fgets(line, sizeof(line), file) != NULL) {
        tightest = tighter(tightest, quota_of_line(line, mount));
    }
    fclose(file);
    return tightest;
}

int pf_cpus_usable(void)
{
    return tighter(affinity(), pf_cpus_quota("/proc/self/cgroup", "/sys/fs/cgroup"));
}
