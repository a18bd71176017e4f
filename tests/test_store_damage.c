/* Damage to a directory: whatever byte is changed, whatever file is cut, lost or exchanged, opening it either names an
 * error or finds the tree as it was; full verification leaves no byte with a meaning unnoticed; a proof is right or
 * refused; and a directory that could not be opened has not been changed.
 *
 * Each loop counts verdicts first and judges them at its end, so that the same loop can show that it would find
 * something: with a laxer verification in the place of a stricter one, and, built with ROTOR_CANARY_NO_CRC and
 * --wrap=rotor_crc32c, with checksums that always match. */
#include "store_support.h"

#include "base/bytes.h"
#include "store/log.h"

#ifdef ROTOR_CANARY_NO_CRC
uint32_t __wrap_rotor_crc32c(uint32_t crc, const void *bytes, size_t count);
uint32_t __wrap_rotor_crc32c(uint32_t crc, const void *bytes, size_t count) {
    (void)crc;
    (void)bytes;
    (void)count;
    return 0x5a5a5a5a;
}
#endif

#define ARITY 3
#define COMMITTED 150
#define EXTENT 24

/* ---------------------------------------------------------------- what is damaged */

typedef struct subject {
    store_scene scene;
    image whole;
    char damaged[FOLDER_PATH + 40]; /* the directory that is tried */
    uint64_t earlier;               /* size before the last flush, when that may be lost; else the present size */
    uint8_t *meaning[IMAGE_FILES];  /* for each byte of each file */
} subject;

enum {
    NO_MEANING = 0,
    SECOND_COPY, /* of the superblock */
    COMMITTED_NODE,
    NAMED_BY_LOG, /* or part of it */
    LAST_FLUSH,
};

static uint64_t power(uint32_t level) {
    uint64_t product = 1;
    while (level-- > 0) {
        product *= ARITY;
    }
    return product;
}

static void mark_level(subject *s, size_t f, uint32_t level, uint64_t shard) {
    for (size_t i = 0; i < s->whole.files[f].count; i++) {
        uint64_t node = shard * 128 + i / 32;
        bool extent = level == 0 && node >= COMMITTED && node < COMMITTED + EXTENT;
        s->meaning[f][i] = node < COMMITTED / power(level) ? COMMITTED_NODE : extent ? NAMED_BY_LOG : NO_MEANING;
    }
}

/* By the format's rules: frames follow without gaps. */
static void mark_log(subject *s, size_t f, bool last) {
    const image_file *file = &s->whole.files[f];
    size_t end = ROTOR_LOG_HEADER_BYTES;
    size_t frame = end;
    while (end + 64 <= file->count && memcmp(file->bytes + end, "RTLF", 4) == 0) {
        uint32_t kind = rotor_get_u32(file->bytes + end + 4);
        frame = end;
        end += 64 + (kind == ROTOR_FRAME_LEAVES ? 32 * (size_t)rotor_get_u64(file->bytes + end + 32) : 0);
    }
    memset(s->meaning[f], NAMED_BY_LOG, end);
    if (last && s->earlier < s->scene.model.count) {
        memset(s->meaning[f] + frame, LAST_FLUSH, end - frame);
    }
}

static void mark_meaning(subject *s) {
    size_t last_log = 0;
    for (size_t f = 0; f < s->whole.count; f++) {
        if (strncmp(s->whole.files[f].name, "log-", 4) == 0) {
            last_log = f; /* they are in order */
        }
    }
    for (size_t f = 0; f < s->whole.count; f++) {
        uint32_t level = 0;
        uint64_t number = 0;
        s->meaning[f] = test_alloc(s->whole.files[f].count, 1);
        if (strcmp(s->whole.files[f].name, ROTOR_SUPERBLOCK_NAME) == 0) {
            memset(s->meaning[f], SECOND_COPY, s->whole.files[f].count);
        } else if (rotor_level_file_parse(s->whole.files[f].name, &level, &number)) {
            mark_level(s, f, level, number);
        } else if (rotor_log_parse(s->whole.files[f].name, &number)) {
            mark_log(s, f, f == last_log);
        }
    }
}

static void insert_and_flush(store_scene *scene, uint64_t count) {
    store_insert(scene, count);
    expect_ok(rotor_flush(scene->tree), "%" PRIu64 " leaves", count);
}

/* Leaves in level files, committed and not, in two segments of the log, and a truncation. */
static void fill(store_scene *scene) {
    store_insert(scene, COMMITTED);
    expect_ok(rotor_checkpoint(scene->tree), "checkpoint");
    insert_and_flush(scene, EXTENT);
    insert_and_flush(scene, 5);
    insert_and_flush(scene, 7);
    store_truncate(scene, COMMITTED + EXTENT + 2);
    for (int i = 0; i < 16; i++) {
        insert_and_flush(scene, 7);
    }
    insert_and_flush(scene, 6);
    insert_and_flush(scene, 5);
}

/* A tree that was closed, or the copy of one that is in use. */
static void prepare(subject *s, bool closed) {
    memset(s, 0, sizeof *s);
    store_begin(&s->scene, 77, ARITY);
    (void)snprintf(s->damaged, sizeof s->damaged, "%s/damaged", s->scene.folder);
    store_open(&s->scene);
    fill(&s->scene);
    s->earlier = s->scene.model.count;
    if (closed) {
        store_close(&s->scene);
        image_read(&s->whole, s->scene.path);
    } else {
        s->earlier -= 5;
        image_read(&s->whole, s->scene.path);
        store_close(&s->scene);
    }
    mark_meaning(s);
    size_t levels = 0;
    size_t segments = 0;
    for (size_t f = 0; f < s->whole.count; f++) {
        levels += strncmp(s->whole.files[f].name, "level-", 6) == 0;
        segments += strncmp(s->whole.files[f].name, "log-", 4) == 0;
    }
    expect(levels >= 6 && segments == 2, "%zu level files, %zu segments", levels, segments);
    image_write(&s->whole, s->damaged);
}

static void discard(subject *s) {
    for (size_t f = 0; f < s->whole.count; f++) {
        free(s->meaning[f]);
    }
    image_free(&s->whole);
    folder_remove(s->damaged);
    store_end(&s->scene);
}

/* ---------------------------------------------------------------- verdicts */

typedef enum finding {
    REFUSED, /* an error that says where */
    SAME,
    EARLIER, /* the tree before the last flush */
    WRONG,   /* anything else */
} finding;

static const char *const finding_names[] = {"refused", "the same", "earlier", "wrong"};
#define FINDINGS (sizeof finding_names / sizeof finding_names[0])

typedef struct verdicts {
    uint64_t cases;
    uint64_t found[FINDINGS];
    uint64_t violations;
    char first[700]; /* violation */
} verdicts;

#define violation(v, ...)                                                                                              \
    do {                                                                                                               \
        if ((v)->violations++ == 0) {                                                                                  \
            (void)snprintf((v)->first, sizeof(v)->first, __VA_ARGS__);                                                 \
        }                                                                                                              \
    } while (0)

/* For a loop that is to find nothing; with checksums switched off, to find something if it rests on them. */
static void conclude(const verdicts *v, const char *what, bool by_checksums) {
    print_message("  %s: %" PRIu64 " cases, %" PRIu64 " refused, %" PRIu64 " the same, %" PRIu64 " earlier\n", what,
                  v->cases, v->found[REFUSED], v->found[SAME], v->found[EARLIER]);
#ifdef ROTOR_CANARY_NO_CRC
    expect(v->violations > 0 || !by_checksums, "%s: without checksums nothing was found", what);
    print_message("  %" PRIu64 " violations: %s\n", v->violations, v->first);
#else
    (void)by_checksums;
    expect(v->violations == 0, "%s: %" PRIu64 " violations, the first: %s", what, v->violations, v->first);
#endif
}

static bool names_a_place(const rotor_error *error) {
    static const char *const places[] = {"superblock", "log-", "level-", "level ", "leaves", "leaf"};
    if (strstr(error->message, "/damaged") == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (strstr(error->message, places[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static finding judge_tree(subject *s, rotor_tree *tree, rotor_error *error) {
    rotor_tree_head head;
    rotor_status status = rotor_head(tree, &head);
    model_tree *model = &s->scene.model;
    if (status == ROTOR_OK && (head.size == model->count || head.size == s->earlier)) {
        rotor_tree_head wanted = model_tree_head(model, head.size);
        if (model_heads_equal(&head, &wanted)) {
            return head.size == model->count ? SAME : EARLIER;
        }
    }
    (void)snprintf(error->message, sizeof error->message, "a tree of %" PRIu64 " leaves, or with another root (%s)",
                   rotor_size(tree), rotor_status_name(status));
    return WRONG;
}

static rotor_status open_damaged(subject *s, rotor_tree **tree, rotor_open_mode mode, rotor_verify verify,
                                 bool verify_proofs, rotor_error *error) {
    rotor_options options = s->scene.options;
    options.arity = 0;
    options.max_depth = 0;
    options.mode = mode;
    options.verify_at_open = verify;
    options.verify_proofs = verify_proofs;
    error->message[0] = '\0';
    return store_open_at(tree, s->damaged, &options, &s->scene.setup, error);
}

static finding judge_open(rotor_status status, const rotor_error *error) {
    bool said = status == error->status && names_a_place(error);
    return said && (status == ROTOR_DAMAGED || status == ROTOR_UNSUPPORTED) ? REFUSED : WRONG;
}

/* Proofs of all leaves: how many were refused, and whether all others were right. */
static uint64_t refused_proofs(subject *s, rotor_tree *tree, bool *all_right) {
    rotor_snapshot snapshot;
    rotor_inclusion_proof proof = ROTOR_INCLUSION_PROOF_INIT;
    rotor_consistency_proof grown = ROTOR_CONSISTENCY_PROOF_INIT;
    uint64_t refused = 0;
    *all_right = rotor_snapshot_take(tree, &snapshot) == ROTOR_OK;
    rotor_tree_head head = model_tree_head(&s->scene.model, snapshot.size);
    for (uint64_t i = 0; i < snapshot.size; i++) {
        rotor_status status = rotor_inclusion_prove(&snapshot, &proof, i);
        refused += status == ROTOR_DAMAGED;
        if (status == ROTOR_OK) {
            status = rotor_inclusion_verify(&proof, &head, &s->scene.model.leaves[i]);
            *all_right = *all_right && status == ROTOR_OK && proof.index == i;
        } else {
            *all_right = *all_right && status == ROTOR_DAMAGED;
        }
        if (i % 16 == 5) {
            status = rotor_consistency_prove(&snapshot, &grown, i + 1);
            *all_right = *all_right && (status == ROTOR_DAMAGED ||
                                        (status == ROTOR_OK && rotor_consistency_verify_self(&grown) == ROTOR_OK &&
                                         model_heads_equal(&grown.new_head, &head)));
        }
    }
    rotor_inclusion_proof_free(&proof);
    rotor_consistency_proof_free(&grown);
    return refused;
}

/* What an open for reading finds, and, if asked for, about the proofs. */
static finding look(subject *s, rotor_verify verify, uint64_t *refused, bool *all_right, rotor_error *error) {
    rotor_tree *tree = NULL;
    rotor_status status = open_damaged(s, &tree, ROTOR_OPEN_READ_ONLY, verify, refused != NULL, error);
    if (status != ROTOR_OK) {
        return judge_open(status, error);
    }
    finding found = judge_tree(s, tree, error);
    if (found != WRONG && refused != NULL) {
        *refused = refused_proofs(s, tree, all_right);
    }
    (void)rotor_close(tree, NULL);
    return found;
}

/* Opens for writing. What could not be opened must not have been changed; what could be must go on from there: more
 * leaves, made durable, are there when it is opened again. */
static finding look_and_go_on(subject *s, verdicts *v, const char *what, rotor_error *error) {
    image before;
    image after;
    rotor_tree *tree = NULL;
    image_read(&before, s->damaged);
    rotor_status status = open_damaged(s, &tree, ROTOR_OPEN_EXISTING, ROTOR_VERIFY_EDGE, false, error);
    finding found = status != ROTOR_OK ? judge_open(status, error) : judge_tree(s, tree, error);
    if (status != ROTOR_OK) {
        image_read(&after, s->damaged);
        if (!image_equal(&before, &after, "lock")) {
            violation(v, "%s: a directory was changed that could not be opened", what);
        }
        image_free(&after);
    } else if (found != WRONG) {
        model_tree *model = &s->scene.model;
        uint64_t present = model->count;
        uint64_t size = rotor_size(tree);
        rotor_hash more[3] = {test_random_leaf(5, 1), test_random_leaf(5, 2), test_random_leaf(5, 3)};
        rotor_hash kept[3];
        model->count = present;
        for (size_t i = 0; i < 3; i++) {
            model_tree_append(model, &more[i]); /* makes room */
        }
        model_tree_cut(model, present);
        memcpy(kept, model->leaves + size, sizeof kept);
        memcpy(model->leaves + size, more, sizeof more);
        rotor_hash root;
        rotor_hash wanted = model_tree_root(model, size + 3);
        bool right = rotor_insert_durable(tree, NULL, more, 3) == ROTOR_OK && rotor_close(tree, error) == ROTOR_OK;
        status = right ? open_damaged(s, &tree, ROTOR_OPEN_EXISTING, ROTOR_VERIFY_EDGE, false, error) : ROTOR_FAILED;
        if (status != ROTOR_OK || rotor_size(tree) != size + 3 || rotor_root(tree, &root) != ROTOR_OK ||
            !test_same_hash(&root, &wanted)) {
            violation(v, "%s: what was inserted afterwards is not there: %s", what, error->message);
        }
        memcpy(model->leaves + size, kept, sizeof kept);
        model_tree_cut(model, size < present ? size : present);
        model->count = present;
        right = right && status == ROTOR_OK;
        if (!right) {
            tree = NULL;
        }
    }
    if (tree != NULL) {
        (void)rotor_close(tree, NULL);
    }
    image_free(&before);
    image_write(&s->whole, s->damaged);
    return found;
}

/* ---------------------------------------------------------------- single bits */

/* Which of the bytes are looked at in how many ways. */
static bool is_header(const subject *s, size_t f, size_t i) {
    if (s->meaning[f][i] == SECOND_COPY) {
        return i % 4096 < 136 || i % 4096 >= 4064;
    }
    return strncmp(s->whole.files[f].name, "log-", 4) == 0 && i < 64 + 128;
}

static void expect_finding(verdicts *v, finding found, int meaning, const char *what, const rotor_error *error) {
    v->cases++;
    v->found[found]++;
    bool right = found != WRONG;
    switch (meaning) {
    case NO_MEANING:
    case SECOND_COPY:
        right = found == SAME;
        break;
    case NAMED_BY_LOG:
        right = found == REFUSED;
        break;
    case LAST_FLUSH:
        right = found == EARLIER;
        break;
    case COMMITTED_NODE:
        right = found == REFUSED || found == SAME;
        break;
    default:
        break;
    }
    if (!right) {
        violation(v, "%s: %s (%.300s)", what, finding_names[found], found == SAME ? "" : error->message);
    }
}

/* `full` is the verification that is to leave nothing unnoticed, `proofs` whether proofs are to be verified. */
static void flip(subject *s, verdicts *v, size_t f, size_t i, unsigned bit, rotor_verify full, bool proofs) {
    const image_file *file = &s->whole.files[f];
    int meaning = s->meaning[f][i];
    uint8_t byte = (uint8_t)(file->bytes[i] ^ (1u << bit));
    char what[120];
    uint64_t refused = 0;
    bool all_right = true;
    rotor_error error = {.status = ROTOR_OK};
    (void)snprintf(what, sizeof what, "%.40s byte %zu bit %u", file->name, i, bit);
    file_patch(s->damaged, file->name, &byte, 1, i);
    bool prove = proofs && (meaning == COMMITTED_NODE || i % 97 == 0);
    finding found = look(s, ROTOR_VERIFY_EDGE, prove ? &refused : NULL, &all_right, &error);
    expect_finding(v, found, meaning, what, &error);
    if (!all_right) {
        violation(v, "%s: a proof is wrong", what);
    }
    if (prove && found == SAME && (refused > 0) != (meaning == COMMITTED_NODE)) {
        violation(v, "%s: %" PRIu64 " proofs were refused", what, refused);
    }
    if (meaning == COMMITTED_NODE || i % 41 == 0) {
        found = look(s, full, NULL, NULL, &error);
        expect_finding(v, found, meaning == COMMITTED_NODE ? NAMED_BY_LOG : meaning, what, &error);
    }
    if (i % 67 == 0) {
        found = look_and_go_on(s, v, what, &error); /* writes the directory anew */
        expect_finding(v, found, meaning, what, &error);
    } else {
        file_patch(s->damaged, file->name, &file->bytes[i], 1, i);
    }
}

/* Zeros ahead in the log are many and all alike, as are the reserved ones of the superblock. */
static size_t next_byte(const subject *s, size_t f, size_t i) {
    bool ahead = strncmp(s->whole.files[f].name, "log-", 4) == 0 && i > 200 && s->meaning[f][i] == NO_MEANING &&
                 s->meaning[f][i - 128] == NO_MEANING;
    bool reserved = s->meaning[f][i] == SECOND_COPY && !is_header(s, f, i);
    size_t step = 100 / (size_t)test_scaled(100); /* odd ones, so that all bytes of a field have their turn */
    step += 1 - step % 2;
    /* What a crash makes different is in the log. */
    step *= s->earlier < s->scene.model.count && s->meaning[f][i] == COMMITTED_NODE ? 5 : 1;
    return i + step * (ahead ? 61 : reserved ? 7 : 1);
}

static void flip_everything(subject *s, verdicts *v, rotor_verify full, bool proofs) {
    bool whole = test_scaled(100) == 100;
    for (size_t f = 0; f < s->whole.count; f++) {
        for (size_t i = 0; i < s->whole.files[f].count; i = next_byte(s, f, i)) {
            if (whole && is_header(s, f, i)) {
                for (unsigned bit = 0; bit < 8; bit++) {
                    flip(s, v, f, i, bit, full, proofs);
                }
            } else {
                flip(s, v, f, i, (unsigned)(i + i / 8) % 8, full, proofs);
            }
        }
    }
}

static void each_bit_of_a_closed_tree(void **state) {
    (void)state;
    subject s;
    verdicts v = {0};
    prepare(&s, true);
    flip_everything(&s, &v, ROTOR_VERIFY_FULL, true);
    conclude(&v, "closed", true);
    discard(&s);
}

static void each_bit_after_a_crash(void **state) {
    (void)state;
    subject s;
    verdicts v = {0};
    prepare(&s, false);
    flip_everything(&s, &v, ROTOR_VERIFY_FULL, true);
    conclude(&v, "crashed", true);
    discard(&s);
}

/* The loop finds what a laxer verification does not. */
static void the_loop_finds_what_is_not_verified(void **state) {
    (void)state;
    subject s;
    verdicts lax = {0};
    verdicts unproven = {0};
    prepare(&s, true);
    for (size_t f = 0; f < s.whole.count; f++) {
        for (size_t i = 0; i < s.whole.files[f].count; i += 32) {
            if (s.meaning[f][i] == COMMITTED_NODE) {
                flip(&s, &lax, f, i, 3, ROTOR_VERIFY_EDGE, true);
                /* As if nobody had asked for verified proofs: their finding is then that no proof is refused. */
                rotor_error error = {.status = ROTOR_OK};
                rotor_tree *tree = NULL;
                uint8_t byte = s.whole.files[f].bytes[i] ^ 8;
                bool all_right = true;
                file_patch(s.damaged, s.whole.files[f].name, &byte, 1, i);
                if (open_damaged(&s, &tree, ROTOR_OPEN_READ_ONLY, ROTOR_VERIFY_NONE, false, &error) == ROTOR_OK) {
                    (void)refused_proofs(&s, tree, &all_right);
                    (void)rotor_close(tree, NULL);
                }
                if (!all_right) {
                    violation(&unproven, "a proof is wrong");
                }
                file_patch(s.damaged, s.whole.files[f].name, &s.whole.files[f].bytes[i], 1, i);
            }
        }
    }
    expect(lax.violations > 100, "only %" PRIu64, lax.violations);
    expect(unproven.violations > 100, "only %" PRIu64, unproven.violations);
    discard(&s);
}

/* ---------------------------------------------------------------- whole files */

/* What is noticed when a file keeps its first `count` bytes: that it is short, and of a segment in any case, since it
 * is made with zeros to this length before it is used. */
static int meaning_behind(const subject *s, size_t f, size_t count) {
    bool log = strncmp(s->whole.files[f].name, "log-", 4) == 0;
    for (size_t i = count; i < s->whole.files[f].count; i++) {
        if ((log && i < 65536) || s->meaning[f][i] != NO_MEANING) {
            return NAMED_BY_LOG;
        }
    }
    return NO_MEANING;
}

static void try_file(subject *s, verdicts *v, size_t f, const void *bytes, size_t count, int meaning, uint64_t seed) {
    char what[120];
    rotor_error error = {.status = ROTOR_OK};
    (void)snprintf(what, sizeof what, "%.40s of %zu bytes", s->whole.files[f].name, count);
    file_write(s->damaged, s->whole.files[f].name, bytes, count);
    expect_finding(v, look(s, ROTOR_VERIFY_EDGE, NULL, NULL, &error), meaning, what, &error);
    if (seed % 11 == 0) {
        expect_finding(v, look_and_go_on(s, v, what, &error), meaning, what, &error);
    }
    file_write(s->damaged, s->whole.files[f].name, s->whole.files[f].bytes, s->whole.files[f].count);
}

static void cut_every_file(subject *s, verdicts *v) {
    size_t slow = 100 / (size_t)test_scaled(100);
    slow *= s->earlier < s->scene.model.count ? 7 : 1; /* a cut file is refused before what a crash left matters */
    for (size_t f = 0; f < s->whole.count; f++) {
        const image_file *file = &s->whole.files[f];
        size_t step = 1;
        for (size_t count = 0; count < file->count; count += step * slow) {
            try_file(s, v, f, file->bytes, count, meaning_behind(s, f, count), count);
            size_t border = count % 32;
            bool ahead = count > 0 && s->meaning[f][count] == NO_MEANING && s->meaning[f][count - 1] == NO_MEANING;
            step = ahead ? 509 : file->count <= 1024 || border < 1 || border == 31 ? 1 : 31 - border;
        }
    }
}

static void every_file_cut(void **state) {
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        subject s;
        verdicts v = {0};
        prepare(&s, closed == 1);
        cut_every_file(&s, &v);
        conclude(&v, closed == 1 ? "cut, closed" : "cut, crashed", false);
        discard(&s);
    }
}

static void every_file_removed_or_longer(void **state) {
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        subject s;
        verdicts v = {0};
        rotor_error error;
        prepare(&s, closed == 1);
        for (size_t f = 0; f < s.whole.count; f++) {
            const image_file *file = &s.whole.files[f];
            bool needed = strcmp(file->name, "lock") != 0;
            for (int writing = 0; writing < 2; writing++) {
                file_unlink(s.damaged, file->name);
                finding found = writing == 1 ? look_and_go_on(&s, &v, file->name, &error)
                                             : look(&s, ROTOR_VERIFY_EDGE, NULL, NULL, &error);
                expect_finding(&v, found, needed ? NAMED_BY_LOG : NO_MEANING, file->name, &error);
                image_write(&s.whole, s.damaged);
            }
            uint8_t *longer = test_alloc(file->count + 300, 1);
            memcpy(longer, file->bytes, file->count);
            memset(longer + file->count, 0xa5, 300);
            bool fixed = strcmp(file->name, ROTOR_SUPERBLOCK_NAME) == 0;
            try_file(&s, &v, f, longer, file->count + 300, fixed ? NAMED_BY_LOG : NO_MEANING, 0);
            free(longer);
        }
        conclude(&v, "removed or longer", false);
        discard(&s);
    }
}

static bool is_meaning_equal(const subject *s, size_t f, const image_file *other) {
    for (size_t i = 0; i < s->whole.files[f].count; i++) {
        if (s->meaning[f][i] != NO_MEANING && (i >= other->count || other->bytes[i] != s->whole.files[f].bytes[i])) {
            return false;
        }
    }
    return true;
}

static void every_file_exchanged(void **state) {
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        subject s;
        verdicts v = {0};
        rotor_error error = {.status = ROTOR_OK};
        prepare(&s, closed == 1);
        for (size_t f = 0; f < s.whole.count; f++) {
            for (size_t g = 0; g < s.whole.count; g++) {
                const image_file *other = &s.whole.files[g];
                bool equal = is_meaning_equal(&s, f, other);
                char what[120];
                (void)snprintf(what, sizeof what, "%.40s replaced by %.40s", s.whole.files[f].name, other->name);
                file_write(s.damaged, s.whole.files[f].name, other->bytes, other->count);
                expect_finding(&v, look(&s, ROTOR_VERIFY_EDGE, NULL, NULL, &error), equal ? NO_MEANING : COMMITTED_NODE,
                               what, &error);
                expect_finding(&v, look(&s, ROTOR_VERIFY_FULL, NULL, NULL, &error), equal ? NO_MEANING : NAMED_BY_LOG,
                               what, &error);
                expect_finding(&v, look_and_go_on(&s, &v, what, &error), equal ? NO_MEANING : COMMITTED_NODE, what,
                               &error);
            }
        }
        conclude(&v, "exchanged", false);
        discard(&s);
    }
}

static void files_that_do_not_belong(void **state) {
    (void)state;
    subject s;
    verdicts v = {0};
    rotor_error error = {.status = ROTOR_OK};
    prepare(&s, true);
    static const char *const names[] = {
        "notes.txt", "superblock.new", "level-00-00000000.new", "level-00-00000099",    "level-63-00000000",
        "level-1-0", "log-1",          "log-0000000000000001",  "log-0000000000000004", "log-0000000000000099",
        "lost+found"};
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        for (size_t f = 0; f <= s.whole.count; f++) {
            const image_file nothing = {.count = 0};
            const image_file *contents = f < s.whole.count ? &s.whole.files[f] : &nothing;
            file_write(s.damaged, names[n], contents->bytes, contents->count);
            /* A segment that none can lead to says that one is missing. */
            int meaning = strcmp(names[n], "log-0000000000000099") == 0 ? NAMED_BY_LOG : NO_MEANING;
            expect_finding(&v, look(&s, ROTOR_VERIFY_FULL, NULL, NULL, &error), meaning, names[n], &error);
            expect_finding(&v, look_and_go_on(&s, &v, names[n], &error), meaning, names[n], &error);
        }
    }
    conclude(&v, "other files", false);
    discard(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bit_of_a_closed_tree),
        cmocka_unit_test(each_bit_after_a_crash),
        cmocka_unit_test(the_loop_finds_what_is_not_verified),
        cmocka_unit_test(every_file_cut),
        cmocka_unit_test(every_file_removed_or_longer),
        cmocka_unit_test(every_file_exchanged),
        cmocka_unit_test(files_that_do_not_belong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
