/* The public functions on directories of the Rust crate: argument checks, then inward. */
#include "base/error.h"
#include "reference/reference.h"

rotor_status rotor_import_reference(const char *source, const char *path, const rotor_options *options,
                                    rotor_import_report *report, rotor_progress *progress, void *context,
                                    rotor_error *error) {
    if (source == NULL || path == NULL || report == NULL) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "rotor_import_reference was passed a null pointer");
    }
    return rotor_reference_import(rotor_os_system(), source, path, options, report, progress, context, error);
}

rotor_status rotor_export_reference(const rotor_snapshot *snapshot, const char *destination, rotor_progress *progress,
                                    void *context, rotor_error *error) {
    if (snapshot == NULL || snapshot->tree == NULL || destination == NULL) {
        return rotor_fail(error, ROTOR_MISUSE, 0, "rotor_export_reference was passed a null pointer");
    }
    return rotor_reference_export(rotor_os_system(), snapshot, destination, progress, context, error);
}
