CREATE TABLE block (
    cell_id integer NOT NULL,
    number integer NOT NULL,
    samples integer NOT NULL,
    correct integer NOT NULL,
    hits text NOT NULL,
    sum_confidence double precision NOT NULL,
    sum_margin double precision NOT NULL,
    zero_gradients integer,
    attack_seconds double precision NOT NULL,
    attack_forwards bigint NOT NULL,
    attack_backwards bigint NOT NULL,
    attack_peak_memory_mib double precision,
    defense_seconds double precision NOT NULL,
    defense_forwards bigint NOT NULL,
    defense_backwards bigint NOT NULL,
    defense_peak_memory_mib double precision,
    device text NOT NULL,
    worker text NOT NULL,
    run_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    outcomes bytea NOT NULL,
    CONSTRAINT block_correct_in_range CHECK (((correct >= 0) AND (correct <= samples))),
    CONSTRAINT block_hits_complete CHECK ((length(hits) = samples)),
    CONSTRAINT block_number_not_negative CHECK ((number >= 0)),
    CONSTRAINT block_samples_in_range CHECK (((samples >= 1) AND (samples <= 50)))
);
CREATE TABLE cell (
    id integer NOT NULL,
    key text NOT NULL,
    model text NOT NULL,
    dataset text NOT NULL,
    attack text NOT NULL,
    epsilon_255 double precision NOT NULL,
    threat_model text NOT NULL,
    defense text NOT NULL,
    seed bigint NOT NULL,
    "precision" text NOT NULL,
    preprocessing text NOT NULL,
    classes integer NOT NULL,
    demonstration boolean NOT NULL,
    attack_group text NOT NULL,
    specification json NOT NULL,
    badges text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE cell_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE cell_id_seq OWNED BY cell.id;
CREATE TABLE driver (
    id text NOT NULL,
    run_id text NOT NULL,
    machine text NOT NULL,
    pid integer NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    heartbeat_at timestamp with time zone NOT NULL,
    lease_seconds double precision NOT NULL,
    CONSTRAINT driver_lease_positive CHECK ((lease_seconds > (0)::double precision))
);
CREATE TABLE lease (
    attack_group text NOT NULL,
    tile integer NOT NULL,
    driver_id text NOT NULL,
    CONSTRAINT lease_tile_not_negative CHECK ((tile >= 0))
);
CREATE TABLE run_cell (
    run_id text NOT NULL,
    cell_id integer NOT NULL,
    samples integer NOT NULL,
    error text,
    traceback text,
    CONSTRAINT run_cell_samples_positive CHECK ((samples > 0))
);
CREATE VIEW results AS
 WITH counted AS (
         SELECT c.id AS cell_id,
            b.created_at,
            b.samples,
            b.correct,
            b.sum_confidence,
            b.sum_margin,
            b.zero_gradients,
            b.attack_seconds,
            b.attack_forwards,
            b.attack_backwards,
            b.defense_seconds,
            b.defense_forwards,
            b.defense_backwards,
            b.attack_peak_memory_mib,
            b.defense_peak_memory_mib
           FROM (cell c
             LEFT JOIN block b ON ((b.cell_id = c.id)))
        ), measured AS (
         SELECT counted.cell_id,
            max(counted.created_at) AS updated_at,
            (COALESCE(sum(counted.samples), (0)::bigint))::integer AS samples,
            (COALESCE(sum(counted.correct), (0)::bigint))::integer AS correct,
            sum(counted.sum_confidence) AS sum_confidence,
            sum(counted.sum_margin) AS sum_margin,
            (sum(counted.zero_gradients))::double precision AS zero_gradients,
            sum(counted.attack_seconds) AS attack_seconds,
            (sum(counted.attack_forwards))::double precision AS attack_forwards,
            (sum(counted.attack_backwards))::double precision AS attack_backwards,
            sum(counted.defense_seconds) AS defense_seconds,
            (sum(counted.defense_forwards))::double precision AS defense_forwards,
            (sum(counted.defense_backwards))::double precision AS defense_backwards,
            max(counted.attack_peak_memory_mib) AS attack_peak_memory_mib,
            max(counted.defense_peak_memory_mib) AS defense_peak_memory_mib
           FROM counted
          GROUP BY counted.cell_id
        ), with_n AS (
         SELECT measured.cell_id,
            measured.updated_at,
            measured.samples,
            measured.correct,
            measured.sum_confidence,
            measured.sum_margin,
            measured.zero_gradients,
            measured.attack_seconds,
            measured.attack_forwards,
            measured.attack_backwards,
            measured.defense_seconds,
            measured.defense_forwards,
            measured.defense_backwards,
            measured.attack_peak_memory_mib,
            measured.defense_peak_memory_mib,
            (NULLIF(measured.samples, 0))::double precision AS n
           FROM measured
        ), with_accuracy AS (
         SELECT with_n.cell_id,
            with_n.updated_at,
            with_n.samples,
            with_n.correct,
            with_n.sum_confidence,
            with_n.sum_margin,
            with_n.zero_gradients,
            with_n.attack_seconds,
            with_n.attack_forwards,
            with_n.attack_backwards,
            with_n.defense_seconds,
            with_n.defense_forwards,
            with_n.defense_backwards,
            with_n.attack_peak_memory_mib,
            with_n.defense_peak_memory_mib,
            with_n.n,
            ((with_n.correct)::double precision / with_n.n) AS accuracy
           FROM with_n
        ), rated AS (
         SELECT with_accuracy.cell_id,
            with_accuracy.updated_at,
            with_accuracy.samples,
            with_accuracy.correct,
            with_accuracy.sum_confidence,
            with_accuracy.sum_margin,
            with_accuracy.zero_gradients,
            with_accuracy.attack_seconds,
            with_accuracy.attack_forwards,
            with_accuracy.attack_backwards,
            with_accuracy.defense_seconds,
            with_accuracy.defense_forwards,
            with_accuracy.defense_backwards,
            with_accuracy.attack_peak_memory_mib,
            with_accuracy.defense_peak_memory_mib,
            with_accuracy.n,
            with_accuracy.accuracy,
            ((1.959963984540054)::double precision * sqrt((((with_accuracy.accuracy * ((1)::double precision - with_accuracy.accuracy)) / with_accuracy.n) + ((0.9603647051735313)::double precision / (with_accuracy.n * with_accuracy.n))))) AS half_width
           FROM with_accuracy
        ), judged AS (
         SELECT c.key AS cell,
            c.model,
            c.dataset,
            c.attack,
            c.epsilon_255,
            c.threat_model,
            c.defense,
            c.seed,
            c."precision",
            c.preprocessing,
            c.classes,
            r.samples,
            COALESCE(( SELECT max(q.samples) AS max
                   FROM run_cell q
                  WHERE (q.cell_id = c.id)), 0) AS requested_samples,
            r.correct,
            r.accuracy,
                CASE
                    WHEN (r.samples = 0) THEN NULL::double precision
                    WHEN (r.correct = 0) THEN (0.0)::double precision
                    ELSE (((r.accuracy + ((1.9207294103470627)::double precision / r.n)) - r.half_width) / ((1)::double precision + ((3.8414588206941254)::double precision / r.n)))
                END AS accuracy_low,
                CASE
                    WHEN (r.samples = 0) THEN NULL::double precision
                    WHEN (r.correct = r.samples) THEN (1.0)::double precision
                    ELSE (((r.accuracy + ((1.9207294103470627)::double precision / r.n)) + r.half_width) / ((1)::double precision + ((3.8414588206941254)::double precision / r.n)))
                END AS accuracy_high,
            (r.sum_confidence / r.n) AS mean_confidence,
            (r.sum_margin / r.n) AS mean_margin,
            (r.zero_gradients / r.n) AS zero_gradients,
            (r.n / NULLIF(r.defense_seconds, (0)::double precision)) AS images_per_second,
            (r.defense_seconds / r.n) AS seconds_per_image,
            (r.attack_seconds / r.n) AS attack_seconds_per_image,
            (r.defense_forwards / r.n) AS forwards_per_image,
            (r.defense_backwards / r.n) AS backwards_per_image,
            (r.attack_forwards / r.n) AS attack_forwards_per_image,
            (r.attack_backwards / r.n) AS attack_backwards_per_image,
            r.defense_peak_memory_mib AS peak_memory_mib,
            r.attack_peak_memory_mib,
            c.attack_group,
            c.badges,
            c.demonstration,
            ( SELECT string_agg(used.device, ', '::text ORDER BY used.device) AS string_agg
                   FROM ( SELECT DISTINCT b.device
                           FROM block b
                          WHERE (b.cell_id = c.id)
                          ORDER BY b.device) used) AS devices,
            ( SELECT q.error
                   FROM run_cell q
                  WHERE (q.cell_id = c.id)
                  ORDER BY q.run_id DESC
                 LIMIT 1) AS error,
            COALESCE(r.updated_at, c.created_at) AS updated_at
           FROM (rated r
             JOIN cell c ON ((c.id = r.cell_id)))
        )
 SELECT judged.cell,
    judged.model,
    judged.dataset,
    judged.attack,
    judged.epsilon_255,
    judged.threat_model,
    judged.defense,
    judged.seed,
    judged."precision",
    judged.preprocessing,
    judged.classes,
    judged.samples,
    judged.requested_samples,
    judged.correct,
    judged.accuracy,
    judged.accuracy_low,
    judged.accuracy_high,
    judged.mean_confidence,
    judged.mean_margin,
    judged.zero_gradients,
    judged.images_per_second,
    judged.seconds_per_image,
    judged.attack_seconds_per_image,
    judged.forwards_per_image,
    judged.backwards_per_image,
    judged.attack_forwards_per_image,
    judged.attack_backwards_per_image,
    judged.peak_memory_mib,
    judged.attack_peak_memory_mib,
    judged.devices,
    judged.demonstration,
        CASE
            WHEN ((judged.samples >= judged.requested_samples) AND (judged.samples > 0)) THEN 'done'::text
            WHEN (judged.error IS NOT NULL) THEN 'failed'::text
            WHEN (judged.samples > 0) THEN 'partial'::text
            ELSE 'pending'::text
        END AS status,
        CASE
            WHEN (
            CASE
                WHEN ((judged.samples >= judged.requested_samples) AND (judged.samples > 0)) THEN 'done'::text
                WHEN (judged.error IS NOT NULL) THEN 'failed'::text
                WHEN (judged.samples > 0) THEN 'partial'::text
                ELSE 'pending'::text
            END = 'failed'::text) THEN judged.error
            ELSE NULL::text
        END AS error,
    judged.badges,
    judged.attack_group,
    judged.updated_at
   FROM judged;
CREATE TABLE run (
    id text NOT NULL,
    name text NOT NULL,
    grid_text text NOT NULL,
    grid json NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    heartbeat_at timestamp with time zone NOT NULL,
    outcome text,
    host text NOT NULL,
    pid integer NOT NULL,
    code_version text NOT NULL,
    python_version text NOT NULL,
    packages json NOT NULL,
    machine json NOT NULL,
    devices json NOT NULL,
    submission text,
    left_out json DEFAULT '{}'::json NOT NULL,
    CONSTRAINT run_outcome_known CHECK ((outcome = ANY (ARRAY['complete'::text, 'failed'::text, 'interrupted'::text])))
);
CREATE VIEW run_results AS
 WITH counted AS (
         SELECT cut.run_id,
            cut.cell_id,
            cut.created_at,
            cut.counted AS samples,
                CASE
                    WHEN (cut.counted = cut.whole) THEN cut.correct
                    ELSE length(replace(substr(cut.hits, 1, cut.counted), '0'::text, ''::text))
                END AS correct,
            ((cut.sum_confidence * (cut.counted)::double precision) / (cut.whole)::double precision) AS sum_confidence,
            ((cut.sum_margin * (cut.counted)::double precision) / (cut.whole)::double precision) AS sum_margin,
            (((cut.zero_gradients * cut.counted))::double precision / (cut.whole)::double precision) AS zero_gradients,
            ((cut.attack_seconds * (cut.counted)::double precision) / (cut.whole)::double precision) AS attack_seconds,
            (((cut.attack_forwards * cut.counted))::double precision / (cut.whole)::double precision) AS attack_forwards,
            (((cut.attack_backwards * cut.counted))::double precision / (cut.whole)::double precision) AS attack_backwards,
            ((cut.defense_seconds * (cut.counted)::double precision) / (cut.whole)::double precision) AS defense_seconds,
            (((cut.defense_forwards * cut.counted))::double precision / (cut.whole)::double precision) AS defense_forwards,
            (((cut.defense_backwards * cut.counted))::double precision / (cut.whole)::double precision) AS defense_backwards,
            cut.attack_peak_memory_mib,
            cut.defense_peak_memory_mib
           FROM ( SELECT q.run_id,
                    q.cell_id,
                    b.created_at,
                    b.correct,
                    b.hits,
                    b.sum_confidence,
                    b.sum_margin,
                    b.zero_gradients,
                    b.attack_seconds,
                    b.attack_forwards,
                    b.attack_backwards,
                    b.defense_seconds,
                    b.defense_forwards,
                    b.defense_backwards,
                    b.attack_peak_memory_mib,
                    b.defense_peak_memory_mib,
                    b.samples AS whole,
                        CASE
                            WHEN ((q.samples - (b.number * 50)) < b.samples) THEN (q.samples - (b.number * 50))
                            ELSE b.samples
                        END AS counted
                   FROM (run_cell q
                     LEFT JOIN block b ON (((b.cell_id = q.cell_id) AND ((b.number * 50) < q.samples))))) cut
        ), measured AS (
         SELECT counted.run_id,
            counted.cell_id,
            max(counted.created_at) AS updated_at,
            (COALESCE(sum(counted.samples), (0)::bigint))::integer AS samples,
            (COALESCE(sum(counted.correct), (0)::bigint))::integer AS correct,
            sum(counted.sum_confidence) AS sum_confidence,
            sum(counted.sum_margin) AS sum_margin,
            sum(counted.zero_gradients) AS zero_gradients,
            sum(counted.attack_seconds) AS attack_seconds,
            sum(counted.attack_forwards) AS attack_forwards,
            sum(counted.attack_backwards) AS attack_backwards,
            sum(counted.defense_seconds) AS defense_seconds,
            sum(counted.defense_forwards) AS defense_forwards,
            sum(counted.defense_backwards) AS defense_backwards,
            max(counted.attack_peak_memory_mib) AS attack_peak_memory_mib,
            max(counted.defense_peak_memory_mib) AS defense_peak_memory_mib
           FROM counted
          GROUP BY counted.run_id, counted.cell_id
        ), with_n AS (
         SELECT measured.run_id,
            measured.cell_id,
            measured.updated_at,
            measured.samples,
            measured.correct,
            measured.sum_confidence,
            measured.sum_margin,
            measured.zero_gradients,
            measured.attack_seconds,
            measured.attack_forwards,
            measured.attack_backwards,
            measured.defense_seconds,
            measured.defense_forwards,
            measured.defense_backwards,
            measured.attack_peak_memory_mib,
            measured.defense_peak_memory_mib,
            (NULLIF(measured.samples, 0))::double precision AS n
           FROM measured
        ), with_accuracy AS (
         SELECT with_n.run_id,
            with_n.cell_id,
            with_n.updated_at,
            with_n.samples,
            with_n.correct,
            with_n.sum_confidence,
            with_n.sum_margin,
            with_n.zero_gradients,
            with_n.attack_seconds,
            with_n.attack_forwards,
            with_n.attack_backwards,
            with_n.defense_seconds,
            with_n.defense_forwards,
            with_n.defense_backwards,
            with_n.attack_peak_memory_mib,
            with_n.defense_peak_memory_mib,
            with_n.n,
            ((with_n.correct)::double precision / with_n.n) AS accuracy
           FROM with_n
        ), rated AS (
         SELECT with_accuracy.run_id,
            with_accuracy.cell_id,
            with_accuracy.updated_at,
            with_accuracy.samples,
            with_accuracy.correct,
            with_accuracy.sum_confidence,
            with_accuracy.sum_margin,
            with_accuracy.zero_gradients,
            with_accuracy.attack_seconds,
            with_accuracy.attack_forwards,
            with_accuracy.attack_backwards,
            with_accuracy.defense_seconds,
            with_accuracy.defense_forwards,
            with_accuracy.defense_backwards,
            with_accuracy.attack_peak_memory_mib,
            with_accuracy.defense_peak_memory_mib,
            with_accuracy.n,
            with_accuracy.accuracy,
            ((1.959963984540054)::double precision * sqrt((((with_accuracy.accuracy * ((1)::double precision - with_accuracy.accuracy)) / with_accuracy.n) + ((0.9603647051735313)::double precision / (with_accuracy.n * with_accuracy.n))))) AS half_width
           FROM with_accuracy
        ), judged AS (
         SELECT r.run_id AS run,
            run.name AS run_name,
            c.key AS cell,
            c.model,
            c.dataset,
            c.attack,
            c.epsilon_255,
            c.threat_model,
            c.defense,
            c.seed,
            c."precision",
            c.preprocessing,
            c.classes,
            r.samples,
            q.samples AS requested_samples,
            r.correct,
            r.accuracy,
                CASE
                    WHEN (r.samples = 0) THEN NULL::double precision
                    WHEN (r.correct = 0) THEN (0.0)::double precision
                    ELSE (((r.accuracy + ((1.9207294103470627)::double precision / r.n)) - r.half_width) / ((1)::double precision + ((3.8414588206941254)::double precision / r.n)))
                END AS accuracy_low,
                CASE
                    WHEN (r.samples = 0) THEN NULL::double precision
                    WHEN (r.correct = r.samples) THEN (1.0)::double precision
                    ELSE (((r.accuracy + ((1.9207294103470627)::double precision / r.n)) + r.half_width) / ((1)::double precision + ((3.8414588206941254)::double precision / r.n)))
                END AS accuracy_high,
            (r.sum_confidence / r.n) AS mean_confidence,
            (r.sum_margin / r.n) AS mean_margin,
            (r.zero_gradients / r.n) AS zero_gradients,
            (r.n / NULLIF(r.defense_seconds, (0)::double precision)) AS images_per_second,
            (r.defense_seconds / r.n) AS seconds_per_image,
            (r.attack_seconds / r.n) AS attack_seconds_per_image,
            (r.defense_forwards / r.n) AS forwards_per_image,
            (r.defense_backwards / r.n) AS backwards_per_image,
            (r.attack_forwards / r.n) AS attack_forwards_per_image,
            (r.attack_backwards / r.n) AS attack_backwards_per_image,
            r.defense_peak_memory_mib AS peak_memory_mib,
            r.attack_peak_memory_mib,
            c.attack_group,
            c.badges,
            c.demonstration,
            ( SELECT string_agg(used.device, ', '::text ORDER BY used.device) AS string_agg
                   FROM ( SELECT DISTINCT b.device
                           FROM block b
                          WHERE ((b.cell_id = c.id) AND ((b.number * 50) < q.samples))
                          ORDER BY b.device) used) AS devices,
            q.error,
            COALESCE(r.updated_at, c.created_at) AS updated_at
           FROM (((rated r
             JOIN run_cell q ON (((q.run_id = r.run_id) AND (q.cell_id = r.cell_id))))
             JOIN cell c ON ((c.id = r.cell_id)))
             JOIN run ON ((run.id = r.run_id)))
        )
 SELECT judged.run,
    judged.run_name,
    judged.cell,
    judged.model,
    judged.dataset,
    judged.attack,
    judged.epsilon_255,
    judged.threat_model,
    judged.defense,
    judged.seed,
    judged."precision",
    judged.preprocessing,
    judged.classes,
    judged.samples,
    judged.requested_samples,
    judged.correct,
    judged.accuracy,
    judged.accuracy_low,
    judged.accuracy_high,
    judged.mean_confidence,
    judged.mean_margin,
    judged.zero_gradients,
    judged.images_per_second,
    judged.seconds_per_image,
    judged.attack_seconds_per_image,
    judged.forwards_per_image,
    judged.backwards_per_image,
    judged.attack_forwards_per_image,
    judged.attack_backwards_per_image,
    judged.peak_memory_mib,
    judged.attack_peak_memory_mib,
    judged.devices,
    judged.demonstration,
        CASE
            WHEN ((judged.samples >= judged.requested_samples) AND (judged.samples > 0)) THEN 'done'::text
            WHEN (judged.error IS NOT NULL) THEN 'failed'::text
            WHEN (judged.samples > 0) THEN 'partial'::text
            ELSE 'pending'::text
        END AS status,
        CASE
            WHEN (
            CASE
                WHEN ((judged.samples >= judged.requested_samples) AND (judged.samples > 0)) THEN 'done'::text
                WHEN (judged.error IS NOT NULL) THEN 'failed'::text
                WHEN (judged.samples > 0) THEN 'partial'::text
                ELSE 'pending'::text
            END = 'failed'::text) THEN judged.error
            ELSE NULL::text
        END AS error,
    judged.badges,
    judged.attack_group,
    judged.updated_at
   FROM judged;
CREATE TABLE scc_bench_version (
    version_num character varying(32) NOT NULL
);
ALTER TABLE ONLY cell ALTER COLUMN id SET DEFAULT nextval('cell_id_seq'::regclass);
INSERT INTO block VALUES (1, 0, 50, 25, '10101010101010101010101010101010101010101010101010', 24.150872379541397, -1.1890948489308357, NULL, 0.1, 500, 500, NULL, 0.025, 150, 50, NULL, 'H200', 'host:1', '20260101-000000-000116', '2026-11-23 15:43:25.467706+00', '\x0100789c55907d48536114c6ef9d73732abafc2c9d99313029d3a2526b7bcfbba0294a9a94549a61e01f6a4a8a458eb00dd3ac14997d91590c2995a8ec53214cef2b41661a1964245460f489e6cc2404fd23d67b6edc2e5c7edb39cf79ce73ae2d4cf8fb4c0571c6fa73def6e17cabe5d44771a6457276e05cbb8ef3c932ce2691b35ec539a9e6b42ce11c0ce1acc3fe27dc7b3c94732098b311eb6c05e73487608ee12cf2e57460ff33eeb98ab94b02389f61ae61d4dd0be4dc897d37fe2fd770167a73be8ae09c47bf09bcbf1173abf08e7efc3e2ef41f42df203de77abc2b379c733feef3429fcc959cdbf1bb79d679a2786278245ec2ff8fa8d0e85027ffd62a66bdb1a652e805f4f3c1be80335aac6104014ffea7f178a815af328ba0d8a941ad063db458f7c25754cc89984fcee58d7a9d22afec2b6790f522fac9f78b8a1b7c502b605fce27dfaec619b5228fac97f36ab1e6a1a9ef1188c65456b7cd45577fbd20f5b646d27cb192f93abe40c6b5023665715247f71ab66ef369ba30758645445ba9a6c7ce9ad397c2890f2352d5c11a7aebb586b96bcbe8d1e83096f1329bbe5f4c66aece7cd2f5bc576ad16740544412db1110456da30676775607ef366d61331f4be0a4bd85551fb651f7ef1c96fcc00131b6cb7da4d74875655a696e388b2e8fbfc4f6503b6d986b603933c134ebb1536a2b4f25c78a99d49e7685861b1a25c9e0a2053d4e662ff303aba594e86a12c067619a04eb9b083bbf173a46a6895fb7159edeb141d7af4453bc140737ad8ba61f713ab838974ee2122b60e07a11098bb59185813c10c60b21f1d00648b21d80736f2a606aacd55c95d749eea73849f76c0a388c1678a136907e57298cb98d64b4de61deba4b84c1d95550f9b0d90cf1c5e6efa109243bc404030546381bb91b9a474f911bf36bcd5e3ffdc9c4b80aeaabf7918db589e0f72d132603edd0961d08f6236d64a82dd7fc07522ad12f');
INSERT INTO block VALUES (1, 1, 50, 25, '10101010101010101010101010101010101010101010101010', 23.729669771913905, -0.9941326603293419, NULL, 0.1, 500, 500, NULL, 0.025, 150, 50, NULL, 'H200', 'host:1', '20260101-000000-000116', '2026-11-23 15:43:25.467706+00', '\x0100789c5d906b48545110c777dddddbf515666ae9fa6a734de861b5153eba674e5a2d2ebdfc10f430712b21a814422b4b4d4dc3a23229ddc42d09254ba10823f283bb47442d49cc077e9148514cc496f48351a8d47ae6c2c50b87df9d6166feff19a751b5fc3dd7708e86737ef5e1cc5ec3598cf9c4004e11e3700fcecb58bf18cdf94ae4143671fa0471b67971dad49cdd5837863eacc827519c9f50ef6524ce41bd69e4316fce26d4377972dafd38d7a1ff5ad47171a8824339d3c2502782b315fd3519380fe2dcdd58ff4ec739897bbe409fe9581fafe5f4c7d8be96531fcc398777db83be72512f18efef6e774bacfaff701595fb5422c6eeb535186b311691ee58c07ef9137196887911fbb5985763acc69ca72227c71ed88b275fee532934b5d8e3a9f02d7b916be57a7145afeccb638596804fb9bffc04c5fef20cd9bf1afb95b79263f95fa3b88d4ab1ab0efb953be63d1c8282ab7bd9add91a5a7cb8ca7926ab8c4e6a5cceca8d3360f2bfc3eeea3b21ac77c9d99eb69a7e3cfac679dada2ccd0edad9d0c835c9e61bc884df713433dac03674e968f466bdc3fc2595768e3f758448df008abf3bb23e04d053422d7b905301b931e1cc5a64a01787ececef8f123a71610bab6f09a4c6ca5ad6935747fbe97d7660be906e4b2a65d7539e51fbeb7c3638c288457aec682f7c44f5a49c5dd99940f79d2f63635dd5b4b12f962d78dda6a68910567fb38da86b7a48efe36cf2de4f20d6cf3920041d214573e76049a4a42a3186b84a8689cb64810176964c3932a5d18c2c38599e03ad3b8689f79f793235b80b1ad74b603619c1a48b026792081d5135c4326e25bed329d0901c063e3f63a1a3b994dc331780a12f1216751909d3b608d87f229ed425349042753f79db6294baba0d52c4a15fa461260e522bb430618e27c95b2d524952285407ea61debc9dd874ded07d29116ee8f241bf900e11c707a47fb371cee7');
INSERT INTO cell VALUES (1, '52ca89f274ce9ade8f0defe43477fc7538f3804f42baac83d8f51066c5607d42', 'clip-b16', 'cifar10', 'pgd(num_steps=10)', 4, 'transfer', 'none', 0, 'float32', 'native', 10, false, '8b49580f83b7329e9cde4045e95f481b61bf00cf9c58b38e149b0f8adcc732a4', '{"attack":{"name":"pgd","parameters":{"num_steps":10}},"dataset":{"name":"cifar10","order":"v1","preprocessing":"native","prompts":"pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp","split":"test","version":"1"},"defense":{"name":"none","parameters":{}},"epsilon_255":4.0,"model":{"digest":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","name":"clip-b16"},"precision":"float32","protocol":1,"seed":0,"threat_model":"transfer"}', '', '2026-01-01 00:00:00+00');
INSERT INTO cell VALUES (2, '07c5a0a14ad455b5d5cf20fcab8240ab8a2550b4434cc26bc50669a33dcf8b38', 'clip-b16', 'cifar10', 'pgd(num_steps=10)', 4, 'transfer', 'ttc', 0, 'float32', 'native', 10, false, '8b49580f83b7329e9cde4045e95f481b61bf00cf9c58b38e149b0f8adcc732a4', '{"attack":{"name":"pgd","parameters":{"num_steps":10}},"dataset":{"name":"cifar10","order":"v1","preprocessing":"native","prompts":"pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp","split":"test","version":"1"},"defense":{"name":"ttc","parameters":{}},"epsilon_255":4.0,"model":{"digest":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","name":"clip-b16"},"precision":"float32","protocol":1,"seed":0,"threat_model":"transfer"}', '', '2026-01-01 00:00:00+00');
INSERT INTO driver VALUES ('d1', '20260101-000000-000116', 'here', 42, '2026-11-25 04:17:48.621132+00', '2026-11-25 04:17:48.621132+00', 60);
INSERT INTO lease VALUES ('gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg', 3, 'd1');
INSERT INTO run VALUES ('20260101-000000-000116', 'old', 'models: [clip-b16]  # as given
', '{"epsilon":[0.5],"models":["clip-b16"]}', '2026-01-01 00:00:00+00', '2026-11-23 15:43:25.478412+00', '2026-11-23 15:43:25.478412+00', 'failed', 'driver', 42, '0.1.0 (abc)', '3.11.0', '{"torch":"2.9"}', '{"cpu":"x"}', '{"worker 0":"H200"}', NULL, '{}');
INSERT INTO run_cell VALUES ('20260101-000000-000116', 1, 70, NULL, NULL);
INSERT INTO run_cell VALUES ('20260101-000000-000116', 2, 50, 'ValueError: no', 'Traceback');
INSERT INTO scc_bench_version VALUES ('0003');
SELECT pg_catalog.setval('cell_id_seq', 2, true);
ALTER TABLE ONLY block
    ADD CONSTRAINT block_pkey PRIMARY KEY (cell_id, number);
ALTER TABLE ONLY cell
    ADD CONSTRAINT cell_key_unique UNIQUE (key);
ALTER TABLE ONLY cell
    ADD CONSTRAINT cell_pkey PRIMARY KEY (id);
ALTER TABLE ONLY driver
    ADD CONSTRAINT driver_pkey PRIMARY KEY (id);
ALTER TABLE ONLY lease
    ADD CONSTRAINT lease_pkey PRIMARY KEY (attack_group, tile);
ALTER TABLE ONLY run_cell
    ADD CONSTRAINT run_cell_pkey PRIMARY KEY (run_id, cell_id);
ALTER TABLE ONLY run
    ADD CONSTRAINT run_pkey PRIMARY KEY (id);
ALTER TABLE ONLY scc_bench_version
    ADD CONSTRAINT scc_bench_version_pkc PRIMARY KEY (version_num);
CREATE INDEX ix_block_counts ON block USING btree (cell_id, number, samples, zero_gradients);
CREATE INDEX ix_lease_driver_id ON lease USING btree (driver_id);
CREATE INDEX ix_run_cell_cell_id ON run_cell USING btree (cell_id);
ALTER TABLE ONLY block
    ADD CONSTRAINT block_cell_id_fkey FOREIGN KEY (cell_id) REFERENCES cell(id);
ALTER TABLE ONLY block
    ADD CONSTRAINT block_run_id_fkey FOREIGN KEY (run_id) REFERENCES run(id);
ALTER TABLE ONLY driver
    ADD CONSTRAINT driver_run_id_fkey FOREIGN KEY (run_id) REFERENCES run(id);
ALTER TABLE ONLY lease
    ADD CONSTRAINT lease_driver_id_fkey FOREIGN KEY (driver_id) REFERENCES driver(id) ON DELETE CASCADE;
ALTER TABLE ONLY run_cell
    ADD CONSTRAINT run_cell_cell_id_fkey FOREIGN KEY (cell_id) REFERENCES cell(id);
ALTER TABLE ONLY run_cell
    ADD CONSTRAINT run_cell_run_id_fkey FOREIGN KEY (run_id) REFERENCES run(id);
