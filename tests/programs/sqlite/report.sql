.mode list
select name, count(*), sum(cents), max(cents)
  from customer join purchase on purchase.customer = customer.id
  group by name order by 3 desc;
select name, cents, rank() over (order by cents desc, purchase.id) as place
  from purchase join customer on customer.id = customer limit 3;
select json_group_array(name) from (select name from customer order by name);
create virtual table page using fts5(body);
insert into page values ('a cap is a value'), ('grants are values too'), ('nothing else');
select rowid, highlight(page, 0, '[', ']') from page where page match 'value*' order by rowid;
select printf('%.6f', sqrt(2)), upper(hex(zeroblob(4))), strftime('%Y-%m-%d', 0, 'unixepoch');
insert into purchase(customer, cents) values (1, -5);
select count(*) from purchase;
