/* What a stretch of work took; see effort.h. */
#include "effort.h"

#include "counters.h"
#include "disk_times.h"
#include "folder.h"
#include "measure.h"

rotor_bench_effort rotor_bench_effort_now(void) {
    rotor_bench_usage usage = rotor_bench_usage_now();
    rotor_bench_path folder = rotor_bench_folder_path(".");
    return (rotor_bench_effort){.wall_ns = (double)rotor_bench_wall_ns(),
                                .processor_ns = usage.user_ns + usage.system_ns,
                                .disk_ns = rotor_bench_disk_busy_ms(folder.text) * 1e6};
}

rotor_bench_effort rotor_bench_effort_since(const rotor_bench_effort *start) {
    rotor_bench_effort now = rotor_bench_effort_now();
    return (rotor_bench_effort){.wall_ns = now.wall_ns - start->wall_ns,
                                .processor_ns = now.processor_ns - start->processor_ns,
                                .disk_ns = now.disk_ns - start->disk_ns};
}
