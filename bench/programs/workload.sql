-- A shop's database, all in memory; @size@ purchases. The shell prints what is selected.
pragma temp_store = memory;
create table customer (id integer primary key, name text not null unique, city text not null);
create table purchase (
  id integer primary key,
  customer integer not null references customer(id),
  cents integer not null check (cents > 0),
  note text
);
create index purchase_by_customer on purchase(customer, cents);

begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)
insert into customer(name, city)
  select 'customer ' || i, case i % 4 when 0 then 'Aarhus' when 1 then 'Bergen' when 2 then 'Cork' else 'Delft' end from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < @size@)
insert into purchase(customer, cents, note)
  select 1 + (i * 7919) % 1000, 1 + (i * 104729) % 10007, 'note ' || (i * 31 % 977) from n;
commit;

select city, count(*), sum(cents), max(cents) from customer join purchase on purchase.customer = customer.id
  group by city order by 3 desc;
select count(*), sum(length(note)) from purchase where note like '%7%' and cents between 100 and 5000;
select name, total, rank() over (order by total desc, name) as place
  from (select name, sum(cents) as total from customer join purchase on customer = customer.id group by name)
  order by place limit 5;
update purchase set cents = cents + 1 where id % 3 = 0;
delete from purchase where id % 7 = 0;
select count(*), sum(cents) from purchase;
select upper(substr(note, 1, 8)), count(*) from purchase group by 1 order by 2 desc, 1 limit 3;
create virtual table page using fts5(body);
insert into page select note || ' of ' || name from purchase join customer on customer = customer.id where purchase.id % 10 = 0;
select count(*) from page where page match 'note AND 7*';
pragma integrity_check;
