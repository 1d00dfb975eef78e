/* How many CPUs this process may really use. */
#ifndef PF_PRIM_CPUS_H
#define PF_PRIM_CPUS_H

/* CPUs in the affinity mask, or fewer where a cgroup's quota (v1 or v2, any level up to the root) grants less time than
 * that, rounded up; at least 1. Reads the system each time (some 100 us): keep the answer. Thread-safe. */
int pf_cpus_usable(void);

/* The quota alone, in CPUs rounded up; 0 when there is none. proc_cgroup is a file in the format of /proc/self/cgroup,
 * mount is where the cgroup file systems are mounted (/sys/fs/cgroup): a test gives its own. */
int pf_cpus_quota(const char *proc_cgroup, const char *mount);

#endif
