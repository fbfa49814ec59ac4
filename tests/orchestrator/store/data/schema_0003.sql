BEGIN TRANSACTION;
CREATE TABLE block (
	cell_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	samples INTEGER NOT NULL, 
	correct INTEGER NOT NULL, 
	hits TEXT NOT NULL, 
	sum_confidence DOUBLE NOT NULL, 
	sum_margin DOUBLE NOT NULL, 
	zero_gradients INTEGER, 
	attack_seconds DOUBLE NOT NULL, 
	attack_forwards BIGINT NOT NULL, 
	attack_backwards BIGINT NOT NULL, 
	attack_peak_memory_mib DOUBLE, 
	defense_seconds DOUBLE NOT NULL, 
	defense_forwards BIGINT NOT NULL, 
	defense_backwards BIGINT NOT NULL, 
	defense_peak_memory_mib DOUBLE, 
	device TEXT NOT NULL, 
	worker TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	outcomes BLOB NOT NULL, 
	PRIMARY KEY (cell_id, number), 
	CONSTRAINT block_samples_in_range CHECK (samples BETWEEN 1 AND 50), 
	CONSTRAINT block_correct_in_range CHECK (correct BETWEEN 0 AND samples), 
	CONSTRAINT block_hits_complete CHECK (length(hits) = samples), 
	CONSTRAINT block_number_not_negative CHECK (number >= 0), 
	FOREIGN KEY(cell_id) REFERENCES cell (id), 
	FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "block" VALUES(1,0,50,25,'10101010101010101010101010101010101010101010101010',2.41508723795413970947e+01,-1.18909484893083572387e+00,NULL,0.1,500,500,NULL,0.025,150,50,NULL,'H200','host:1','20260101-000000-000116','2026-11-23 15:43:25.467706',X'0100789C55907D48536114C6EF9D73732ABAFC2C9D99313029D3A2526B7BCFBBA0294A9A94549A61E01F6A4A8A458EB00DD3AC14997D91590C2995A8EC53214CEF2B41661A1964245460F489E6CC2404FD23D67B6EDC2E5C7EDB39CF79CE73AE2D4CF8FB4C0571C6FA73DEF6E17CABE5D44771A6457276E05CBB8EF3C932CE2691B35EC539A9E6B42CE11C0CE1ACC3FE27DC7B3C94732098B311EB6C05E73487608EE12CF2E57460FF33EEB98AB94B02389F61AE61D4DD0BE4DC897D37FE2FD770167A73BE8AE09C47BF09BCBF1173ABF08E7EFC3E2EF41F42DF203DE77ABC2B379C733FEEF3429FCC959CDBF1BB79D679A2786278245EC2FF8FA8D0E85027FFD62A66BDB1A652E805F4F3C1BE80335AAC6104014FFEA7F178A815AF328BA0D8A941AD063DB458F7C25754CC89984FCEE58D7A9D22AFEC2B6790F522FAC9F78B8A1B7C502B605FCE27DFAEC619B5228FAC97F36AB1E6A1A9EF1188C65456B7CD45577FBD20F5B646D27CB192F93ABE40C6B5023665715247F71AB66EF369BA30758645445BA9A6C7CE9AD397C2890F2352D5C11A7AEBB586B96BCBE8D1E83096F1329BBE5F4C66AECE7CD2F5BC576AD16740544412DB1110456DA30676775607EF366D61331F4BE0A4BD85551FB651F7EF1C96FCC00131B6CB7DA4D74875655A696E388B2E8FBFC4F6503B6D986B603933C134EBB1536A2B4F25C78A99D49E7685861B1A25C9E0A2053D4E662FF303ABA594E86A12C067619A04EB9B083BBF173A46A6895FB7159EDEB141D7AF4453BC140737AD8BA61F713AB838974EE2122B60E07A11098BB59185813C10C60B21F1D00648B21D80736F2A606AACD55C95D749EEA73849F76C0A388C1678A136907E57298CB98D64B4DE61DEBA4B84C1D95550F9B0D90CF1C5E6EFA109243BC404030546381BB91B9A474F911BF36BCD5E3FFDC9C4B80AEAABF7918DB589E0F72D132603EDD0961D08F6236D64A82DD7FC07522AD12F');
INSERT INTO "block" VALUES(1,1,50,25,'10101010101010101010101010101010101010101010101010',2.37296697719139046975e+01,-9.94132660329341888427e-01,NULL,0.1,500,500,NULL,0.025,150,50,NULL,'H200','host:1','20260101-000000-000116','2026-11-23 15:43:25.467706',X'0100789C5D906B48545110C777DDDDDBF515666AE9FA6A734DE861B5153EBA674E5A2D2EBDFC10F430712B21A814422B4B4D4DC3A23229DDC42D09254BA10823F283BB47442D49CC077E9148514CC496F48351A8D47AE6C2C50B87DF9D6166FEFF19A751B5FC3DD7708E86737EF5E1CC5EC3598CF9C4004E11E3700FCECB58BF18CDF94AE4143671FA0471B67971DAD49CDD5837863EACC827519C9F50EF6524CE41BD69E4316FCE26D4377972DAFD38D7A1FF5AD47171A8824339D3C2502782B315FD3519380FE2DCDD58FF4EC739897BBE409FE9581FAFE5F4C7D8BE96531FCC398777DB83BE72512F18EFEF6E774BACFAFF701595FB5422C6EEB535186B311691EE58C07EF9137196887911FBB5985763ACC69CA72227C71ED88B275FEE532934B5D8E3A9F02D7B916BE57A7145AFECCB638596804FB9BFFC04C5FEF20CD9BF1AFB95B79263F95FA3B88D4AB1AB0EFB953BE63D1C8282AB7BD9ADD91A5A7CB8CA7926AB8C4E6A5CCECA8D3360F2BFC3EEEA3B21AC77C9D99EB69A7E3CFAC679DADA2CCD0EDAD9D0C835C9E61BC884DF713433DAC03674E968F466BDC3FC2595768E3F758448DF008ABF3BB23E04D053422D7B905301B931E1CC5A64A01787ECECEF8F123A71610BAB6F09A4C6CA5AD6935747FBE97D7660BE906E4B2A65D7539E51FBEB7C3638C288457AEC682F7C44F5A49C5DD99940F79D2F63635DD5B4B12F962D78DDA6A68910567FB38DA86B7A48EFE36CF2DE4F20D6CF3920041D214573E76049A4A42A3186B84A8689CB64810176964C3932A5D18C2C38599E03AD3B8689F79F793235B80B1AD74B603619C1A48B026792081D5135C4326E25BED329D0901C063E3F63A1A3B994DC331780A12F1216751909D3B608D87F229ED425349042753F79DB6294BABA0D52C4A15FA461260E522BB430618E27C95B2D524952285407EA61DEBC9DD874DED07D29116EE8F241BF900E11C707A47FB371CEE7');
CREATE TABLE cell (
	id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	model TEXT NOT NULL, 
	dataset TEXT NOT NULL, 
	attack TEXT NOT NULL, 
	epsilon_255 DOUBLE NOT NULL, 
	threat_model TEXT NOT NULL, 
	defense TEXT NOT NULL, 
	seed BIGINT NOT NULL, 
	precision TEXT NOT NULL, 
	preprocessing TEXT NOT NULL, 
	classes INTEGER NOT NULL, 
	demonstration BOOLEAN NOT NULL, 
	attack_group TEXT NOT NULL, 
	specification JSON NOT NULL, 
	badges TEXT DEFAULT '' NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT cell_key_unique UNIQUE ("key")
);
INSERT INTO "cell" VALUES(1,'52ca89f274ce9ade8f0defe43477fc7538f3804f42baac83d8f51066c5607d42','clip-b16','cifar10','pgd(num_steps=10)',4.0,'transfer','none',0,'float32','native',10,0,'8b49580f83b7329e9cde4045e95f481b61bf00cf9c58b38e149b0f8adcc732a4','{"attack":{"name":"pgd","parameters":{"num_steps":10}},"dataset":{"name":"cifar10","order":"v1","preprocessing":"native","prompts":"pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp","split":"test","version":"1"},"defense":{"name":"none","parameters":{}},"epsilon_255":4.0,"model":{"digest":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","name":"clip-b16"},"precision":"float32","protocol":1,"seed":0,"threat_model":"transfer"}','','2026-01-01 00:00:00.000000');
INSERT INTO "cell" VALUES(2,'07c5a0a14ad455b5d5cf20fcab8240ab8a2550b4434cc26bc50669a33dcf8b38','clip-b16','cifar10','pgd(num_steps=10)',4.0,'transfer','ttc',0,'float32','native',10,0,'8b49580f83b7329e9cde4045e95f481b61bf00cf9c58b38e149b0f8adcc732a4','{"attack":{"name":"pgd","parameters":{"num_steps":10}},"dataset":{"name":"cifar10","order":"v1","preprocessing":"native","prompts":"pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp","split":"test","version":"1"},"defense":{"name":"ttc","parameters":{}},"epsilon_255":4.0,"model":{"digest":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","name":"clip-b16"},"precision":"float32","protocol":1,"seed":0,"threat_model":"transfer"}','','2026-01-01 00:00:00.000000');
CREATE TABLE driver (
	id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	machine TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	registered_at DATETIME NOT NULL, 
	heartbeat_at DATETIME NOT NULL, 
	lease_seconds DOUBLE NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT driver_lease_positive CHECK (lease_seconds > 0), 
	FOREIGN KEY(run_id) REFERENCES run (id)
);
CREATE TABLE lease (
	attack_group TEXT NOT NULL, 
	tile INTEGER NOT NULL, 
	driver_id TEXT NOT NULL, 
	PRIMARY KEY (attack_group, tile), 
	CONSTRAINT lease_tile_not_negative CHECK (tile >= 0), 
	FOREIGN KEY(driver_id) REFERENCES driver (id) ON DELETE CASCADE
);
CREATE TABLE run (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	grid_text TEXT NOT NULL, 
	grid JSON NOT NULL, 
	started_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	heartbeat_at DATETIME NOT NULL, 
	outcome TEXT, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	code_version TEXT NOT NULL, 
	python_version TEXT NOT NULL, 
	packages JSON NOT NULL, 
	machine JSON NOT NULL, 
	devices JSON NOT NULL, submission TEXT, left_out JSON DEFAULT '{}' NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT run_outcome_known CHECK (outcome IN ('complete', 'failed', 'interrupted'))
);
INSERT INTO "run" VALUES('20260101-000000-000116','old','models: [clip-b16]  # as given
','{"epsilon":[0.5],"models":["clip-b16"]}','2026-01-01 00:00:00.000000','2026-11-23 15:43:25.478412','2026-11-23 15:43:25.478412','failed','driver',42,'0.1.0 (abc)','3.11.0','{"torch":"2.9"}','{"cpu":"x"}','{"worker 0":"H200"}',NULL,'{}');
CREATE TABLE run_cell (
	run_id TEXT NOT NULL, 
	cell_id INTEGER NOT NULL, 
	samples INTEGER NOT NULL, 
	error TEXT, 
	traceback TEXT, 
	PRIMARY KEY (run_id, cell_id), 
	CONSTRAINT run_cell_samples_positive CHECK (samples > 0), 
	FOREIGN KEY(run_id) REFERENCES run (id), 
	FOREIGN KEY(cell_id) REFERENCES cell (id)
);
INSERT INTO "run_cell" VALUES('20260101-000000-000116',1,70,NULL,NULL);
INSERT INTO "run_cell" VALUES('20260101-000000-000116',2,50,'ValueError: no','Traceback');
CREATE TABLE scc_bench_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT scc_bench_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "scc_bench_version" VALUES('0003');
CREATE INDEX ix_run_cell_cell_id ON run_cell (cell_id);
CREATE INDEX ix_block_counts ON block (cell_id, number, samples, zero_gradients);
CREATE INDEX ix_lease_driver_id ON lease (driver_id);
CREATE VIEW results AS 
WITH counted AS (
    SELECT c.id AS cell_id, b.created_at, b.samples, b.correct, b.sum_confidence, b.sum_margin, b.zero_gradients, b.attack_seconds, b.attack_forwards, b.attack_backwards, b.defense_seconds, b.defense_forwards, b.defense_backwards, b.attack_peak_memory_mib, b.defense_peak_memory_mib
    FROM cell c LEFT JOIN block b ON b.cell_id = c.id
), measured AS (
    SELECT cell_id, max(created_at) AS updated_at, CAST(COALESCE(sum(samples), 0) AS INTEGER) AS samples, CAST(COALESCE(sum(correct), 0) AS INTEGER) AS correct, CAST(sum(sum_confidence) AS DOUBLE PRECISION) AS sum_confidence, CAST(sum(sum_margin) AS DOUBLE PRECISION) AS sum_margin, CAST(sum(zero_gradients) AS DOUBLE PRECISION) AS zero_gradients, CAST(sum(attack_seconds) AS DOUBLE PRECISION) AS attack_seconds, CAST(sum(attack_forwards) AS DOUBLE PRECISION) AS attack_forwards, CAST(sum(attack_backwards) AS DOUBLE PRECISION) AS attack_backwards, CAST(sum(defense_seconds) AS DOUBLE PRECISION) AS defense_seconds, CAST(sum(defense_forwards) AS DOUBLE PRECISION) AS defense_forwards, CAST(sum(defense_backwards) AS DOUBLE PRECISION) AS defense_backwards, max(attack_peak_memory_mib) AS attack_peak_memory_mib, max(defense_peak_memory_mib) AS defense_peak_memory_mib
    FROM counted GROUP BY cell_id
), with_n AS (
    SELECT measured.*, CAST(NULLIF(samples, 0) AS DOUBLE PRECISION) AS n FROM measured
), with_accuracy AS (
    SELECT with_n.*, correct / n AS accuracy FROM with_n
), rated AS (
    SELECT with_accuracy.*, 1.959963984540054 * sqrt(accuracy * (1 - accuracy) / n + 0.9603647051735313 / (n * n)) AS half_width
    FROM with_accuracy
), judged AS (
    SELECT c."key" AS cell, c.model, c.dataset, c.attack, c.epsilon_255, c.threat_model, c.defense, c.seed,
        c.precision, c.preprocessing, c.classes, r.samples, COALESCE((SELECT max(q.samples) FROM run_cell q WHERE q.cell_id = c.id), 0) AS requested_samples, 
        r.correct,
        r.accuracy,
        CASE WHEN r.samples = 0 THEN NULL WHEN r.correct = 0 THEN 0.0
            ELSE (r.accuracy + 1.9207294103470627 / r.n - r.half_width) / (1 + 3.8414588206941254 / r.n) END AS accuracy_low,
        CASE WHEN r.samples = 0 THEN NULL WHEN r.correct = r.samples THEN 1.0
            ELSE (r.accuracy + 1.9207294103470627 / r.n + r.half_width) / (1 + 3.8414588206941254 / r.n) END AS accuracy_high,
        r.sum_confidence / r.n AS mean_confidence,
        r.sum_margin / r.n AS mean_margin,
        r.zero_gradients / r.n AS zero_gradients,
        r.n / NULLIF(r.defense_seconds, 0) AS images_per_second,
        r.defense_seconds / r.n AS seconds_per_image,
        r.attack_seconds / r.n AS attack_seconds_per_image,
        r.defense_forwards / r.n AS forwards_per_image,
        r.defense_backwards / r.n AS backwards_per_image,
        r.attack_forwards / r.n AS attack_forwards_per_image,
        r.attack_backwards / r.n AS attack_backwards_per_image,
        r.defense_peak_memory_mib AS peak_memory_mib,
        r.attack_peak_memory_mib,
        c.attack_group,
        c.badges,
        c.demonstration, (SELECT group_concat(device, ', ') FROM (SELECT DISTINCT b.device FROM block b WHERE b.cell_id = c.id ORDER BY b.device) AS used) AS devices, (SELECT q.error FROM run_cell q WHERE q.cell_id = c.id ORDER BY q.run_id DESC LIMIT 1) AS error,
        COALESCE(r.updated_at, c.created_at) AS updated_at
    FROM rated r JOIN cell c ON c.id = r.cell_id
)
SELECT cell, model, dataset, attack, epsilon_255, threat_model, defense, seed, precision, preprocessing, classes, samples, requested_samples, correct, accuracy, accuracy_low, accuracy_high, mean_confidence, mean_margin, zero_gradients, images_per_second, seconds_per_image, attack_seconds_per_image, forwards_per_image, backwards_per_image, attack_forwards_per_image, attack_backwards_per_image, peak_memory_mib, attack_peak_memory_mib, devices, demonstration, CASE WHEN samples >= requested_samples AND samples > 0 THEN 'done'
            WHEN error IS NOT NULL THEN 'failed'
            WHEN samples > 0 THEN 'partial' ELSE 'pending' END AS status, CASE WHEN CASE WHEN samples >= requested_samples AND samples > 0 THEN 'done'
            WHEN error IS NOT NULL THEN 'failed'
            WHEN samples > 0 THEN 'partial' ELSE 'pending' END = 'failed' THEN error END AS error, badges, attack_group, updated_at FROM judged;
CREATE VIEW run_results AS 
WITH counted AS (
    SELECT run_id, cell_id, created_at, counted AS samples,
        CASE WHEN counted = whole THEN correct
            ELSE length(replace(substr(hits, 1, counted), '0', '')) END AS correct,
        sum_confidence * counted / CAST(whole AS DOUBLE PRECISION) AS sum_confidence, sum_margin * counted / CAST(whole AS DOUBLE PRECISION) AS sum_margin, zero_gradients * counted / CAST(whole AS DOUBLE PRECISION) AS zero_gradients, attack_seconds * counted / CAST(whole AS DOUBLE PRECISION) AS attack_seconds, attack_forwards * counted / CAST(whole AS DOUBLE PRECISION) AS attack_forwards, attack_backwards * counted / CAST(whole AS DOUBLE PRECISION) AS attack_backwards, defense_seconds * counted / CAST(whole AS DOUBLE PRECISION) AS defense_seconds, defense_forwards * counted / CAST(whole AS DOUBLE PRECISION) AS defense_forwards, defense_backwards * counted / CAST(whole AS DOUBLE PRECISION) AS defense_backwards,
        attack_peak_memory_mib, defense_peak_memory_mib
    FROM (
        SELECT q.run_id, q.cell_id, b.created_at, b.correct, b.hits, b.sum_confidence, b.sum_margin, b.zero_gradients, b.attack_seconds, b.attack_forwards, b.attack_backwards, b.defense_seconds, b.defense_forwards, b.defense_backwards, b.attack_peak_memory_mib, b.defense_peak_memory_mib,
            b.samples AS whole, CASE WHEN q.samples - b.number * 50 < b.samples THEN q.samples - b.number * 50 ELSE b.samples END AS counted
        FROM run_cell q LEFT JOIN block b ON b.cell_id = q.cell_id AND b.number * 50 < q.samples
    ) AS cut
), measured AS (
    SELECT run_id, cell_id, max(created_at) AS updated_at, CAST(COALESCE(sum(samples), 0) AS INTEGER) AS samples, CAST(COALESCE(sum(correct), 0) AS INTEGER) AS correct, CAST(sum(sum_confidence) AS DOUBLE PRECISION) AS sum_confidence, CAST(sum(sum_margin) AS DOUBLE PRECISION) AS sum_margin, CAST(sum(zero_gradients) AS DOUBLE PRECISION) AS zero_gradients, CAST(sum(attack_seconds) AS DOUBLE PRECISION) AS attack_seconds, CAST(sum(attack_forwards) AS DOUBLE PRECISION) AS attack_forwards, CAST(sum(attack_backwards) AS DOUBLE PRECISION) AS attack_backwards, CAST(sum(defense_seconds) AS DOUBLE PRECISION) AS defense_seconds, CAST(sum(defense_forwards) AS DOUBLE PRECISION) AS defense_forwards, CAST(sum(defense_backwards) AS DOUBLE PRECISION) AS defense_backwards, max(attack_peak_memory_mib) AS attack_peak_memory_mib, max(defense_peak_memory_mib) AS defense_peak_memory_mib
    FROM counted GROUP BY run_id, cell_id
), with_n AS (
    SELECT measured.*, CAST(NULLIF(samples, 0) AS DOUBLE PRECISION) AS n FROM measured
), with_accuracy AS (
    SELECT with_n.*, correct / n AS accuracy FROM with_n
), rated AS (
    SELECT with_accuracy.*, 1.959963984540054 * sqrt(accuracy * (1 - accuracy) / n + 0.9603647051735313 / (n * n)) AS half_width
    FROM with_accuracy
), judged AS (
    SELECT r.run_id AS run, run.name AS run_name, c."key" AS cell, c.model, c.dataset, c.attack, c.epsilon_255, c.threat_model, c.defense, c.seed,
        c.precision, c.preprocessing, c.classes, r.samples, q.samples AS requested_samples, 
        r.correct,
        r.accuracy,
        CASE WHEN r.samples = 0 THEN NULL WHEN r.correct = 0 THEN 0.0
            ELSE (r.accuracy + 1.9207294103470627 / r.n - r.half_width) / (1 + 3.8414588206941254 / r.n) END AS accuracy_low,
        CASE WHEN r.samples = 0 THEN NULL WHEN r.correct = r.samples THEN 1.0
            ELSE (r.accuracy + 1.9207294103470627 / r.n + r.half_width) / (1 + 3.8414588206941254 / r.n) END AS accuracy_high,
        r.sum_confidence / r.n AS mean_confidence,
        r.sum_margin / r.n AS mean_margin,
        r.zero_gradients / r.n AS zero_gradients,
        r.n / NULLIF(r.defense_seconds, 0) AS images_per_second,
        r.defense_seconds / r.n AS seconds_per_image,
        r.attack_seconds / r.n AS attack_seconds_per_image,
        r.defense_forwards / r.n AS forwards_per_image,
        r.defense_backwards / r.n AS backwards_per_image,
        r.attack_forwards / r.n AS attack_forwards_per_image,
        r.attack_backwards / r.n AS attack_backwards_per_image,
        r.defense_peak_memory_mib AS peak_memory_mib,
        r.attack_peak_memory_mib,
        c.attack_group,
        c.badges,
        c.demonstration,
        (SELECT group_concat(device, ', ') FROM (SELECT DISTINCT b.device FROM block b WHERE b.cell_id = c.id AND b.number * 50 < q.samples ORDER BY b.device) AS used) AS devices, q.error, COALESCE(r.updated_at, c.created_at) AS updated_at
    FROM rated r
    JOIN run_cell q ON q.run_id = r.run_id AND q.cell_id = r.cell_id
    JOIN cell c ON c.id = r.cell_id
    JOIN run ON run.id = r.run_id
)
SELECT run, run_name, cell, model, dataset, attack, epsilon_255, threat_model, defense, seed, precision, preprocessing, classes, samples, requested_samples, correct, accuracy, accuracy_low, accuracy_high, mean_confidence, mean_margin, zero_gradients, images_per_second, seconds_per_image, attack_seconds_per_image, forwards_per_image, backwards_per_image, attack_forwards_per_image, attack_backwards_per_image, peak_memory_mib, attack_peak_memory_mib, devices, demonstration, CASE WHEN samples >= requested_samples AND samples > 0 THEN 'done'
            WHEN error IS NOT NULL THEN 'failed'
            WHEN samples > 0 THEN 'partial' ELSE 'pending' END AS status, CASE WHEN CASE WHEN samples >= requested_samples AND samples > 0 THEN 'done'
            WHEN error IS NOT NULL THEN 'failed'
            WHEN samples > 0 THEN 'partial' ELSE 'pending' END = 'failed' THEN error END AS error, badges, attack_group, updated_at FROM judged;
COMMIT;
