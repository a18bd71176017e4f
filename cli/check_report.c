/* How the result of a check or a repair is shown, see check_report.h. */
#include "check_report.h"

#include "command.h"
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

static uint32_t shown_ranges(const rotor_check_report *report) {
    return report->bad_ranges < ROTOR_REPORT_RANGES ? report->bad_ranges : ROTOR_REPORT_RANGES;
}

static json_t *ranges_json(const rotor_check_report *report) {
    json_t *ranges = json_array();
    for (uint32_t i = 0; ranges != NULL && i < shown_ranges(report); i++) {
        json_t *range = json_pack("{s:I, s:I}", "first", (json_int_t)report->ranges[i].first, "count",
                                  (json_int_t)report->ranges[i].count);
        if (json_array_append_new(ranges, range) != 0) {
            json_decref(ranges);
            ranges = NULL;
        }
    }
    return ranges;
}

static json_t *levels_json(const rotor_check_report *report) {
    json_t *levels = json_array();
    for (uint32_t level = 1; levels != NULL && level <= ROTOR_MAX_DEPTH; level++) {
        if (report->levels[level].bad == 0) {
            continue;
        }
        json_t *bad = json_pack("{s:i, s:I, s:I, s:I}", "level", (int)level, "nodes",
                                (json_int_t)report->levels[level].nodes, "bad", (json_int_t)report->levels[level].bad,
                                "first_bad", (json_int_t)report->levels[level].first_bad);
        if (json_array_append_new(levels, bad) != 0) {
            json_decref(levels);
            levels = NULL;
        }
    }
    return levels;
}

static int print_json(const rotor_check_report *report, bool whole, const char *why) {
    return rotor_cli_print_json(
        json_pack("{s:b, s:s?, s:I, s:I, s:b, s:I, s:o, s:I, s:i, s:o, s:b}", "whole", (int)whole, "reason", why,
                  "size", (json_int_t)report->size, "checkpointed", (json_int_t)report->checkpointed, "root_matches",
                  (int)report->root_matches, "bad_nodes", (json_int_t)report->bad_nodes, "bad_levels",
                  levels_json(report), "bad_leaves", (json_int_t)report->bad_leaves, "bad_range_count",
                  (int)report->bad_ranges, "bad_ranges", ranges_json(report), "repaired", (int)report->repaired));
}

static void print_damage(const rotor_check_report *report) {
    for (uint32_t level = 1; level <= ROTOR_MAX_DEPTH; level++) {
        if (report->levels[level].bad > 0) {
            printf("level %" PRIu32 ": %" PRIu64 " of %" PRIu64
                   " nodes are not the hash of their children, the first is node %" PRIu64 "\n",
                   level, report->levels[level].bad, report->levels[level].nodes, report->levels[level].first_bad);
        }
    }
    for (uint32_t i = 0; i < shown_ranges(report); i++) {
        printf("leaves %" PRIu64 " to %" PRIu64 " do not lead to what was stored above them\n", report->ranges[i].first,
               report->ranges[i].first + report->ranges[i].count - 1);
    }
    if (report->bad_ranges > ROTOR_REPORT_RANGES) {
        printf("... and %" PRIu32 " more such ranges, %" PRIu64 " leaves in all\n",
               report->bad_ranges - ROTOR_REPORT_RANGES, report->bad_leaves);
    }
}

static const char *describe_damage(const rotor_check_report *report) {
    if (report->root_matches && report->bad_leaves == 0) {
        return "its leaves are right; 'rotortree repair' rewrites the nodes above them";
    }
    return report->checkpointed > 0 && !report->root_matches ? "its leaves do not lead to the committed root"
                                                             : "not all of its leaves lead to the nodes above them";
}

int rotor_cli_show_check(const rotor_check_report *report, const char *path, rotor_status status, const char *why,
                         bool json) {
    bool whole = status == ROTOR_OK;
    if (json) {
        int code = print_json(report, whole, why);
        return code != EXIT_YES || whole ? code : EXIT_NO;
    }
    print_damage(report);
    if (report->repaired) {
        printf("%s: repaired: %" PRIu64 " nodes rewritten from %" PRIu64 " leaves\n", path, report->bad_nodes,
               report->size);
    }
    if (whole && !report->repaired) {
        printf("%s: whole: %" PRIu64 " leaves, %" PRIu64 " of them checkpointed, lead to every node above them\n", path,
               report->size, report->checkpointed);
    } else if (!whole && why != NULL) {
        printf("damaged: %s\n", why);
    } else if (!whole) {
        printf("%s: damaged: %s\n", path, describe_damage(report));
    }
    return whole ? EXIT_YES : EXIT_NO;
}
